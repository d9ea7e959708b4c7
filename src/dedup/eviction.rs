//! Whether Redis may evict claims, as it says itself.

use std::fmt;

use redis::Value;

/// A policy by which Redis drops keys when it is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eviction {
    /// `maxmemory-policy`.
    pub policy: String,
    /// Whether there is a `maxmemory`. Without one, nothing is evicted.
    pub is_limited: bool,
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = &self.policy;
        if self.is_limited {
            write!(f, "Redis evicts claims when it is full, and repeats pass")?;
        } else {
            write!(
                f,
                "Redis would evict claims if it had a maxmemory, and repeats would pass"
            )?;
        }
        write!(f, ": set its maxmemory-policy to noeviction, it is {policy}")
    }
}

/// Reads the answer to `INFO memory`, of one server or of each node of a cluster. Returns the worst policy.
pub(super) fn read(answer: &Value) -> Option<Eviction> {
    match answer {
        Value::BulkString(bytes) => of_text(&String::from_utf8_lossy(bytes)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => of_text(text),
        Value::Map(nodes) => worst(nodes.iter().map(|(_, value)| value)),
        Value::Array(nodes) => worst(nodes.iter()),
        _ => None,
    }
}

fn worst<'a>(nodes: impl Iterator<Item = &'a Value>) -> Option<Eviction> {
    nodes.filter_map(read).max_by_key(|eviction| eviction.is_limited)
}

fn of_text(text: &str) -> Option<Eviction> {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let policy = field("maxmemory_policy").filter(|policy| *policy != "noeviction")?;
    Some(Eviction {
        policy: policy.to_owned(),
        is_limited: field("maxmemory").is_some_and(|bytes| bytes != "0"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_policy_of_all_nodes_counts() {
        let node = |policy: &str, bytes: u32| {
            let text = format!("# Memory\r\nmaxmemory:{bytes}\r\nmaxmemory_policy:{policy}\r\n");
            Value::BulkString(text.into_bytes())
        };
        assert_eq!(read(&node("noeviction", 1)), None);
        assert_eq!(read(&Value::Nil), None);
        let named = |name: &str, node| (Value::BulkString(name.as_bytes().to_vec()), node);
        let cluster = Value::Map(vec![
            named("a", node("noeviction", 1)),
            named("b", node("volatile-ttl", 5)),
            named("c", node("allkeys-lru", 0)),
        ]);
        let found = read(&cluster).unwrap();
        assert_eq!((found.policy.as_str(), found.is_limited), ("volatile-ttl", true));
        assert!(found.to_string().contains("noeviction, it is volatile-ttl"));
    }
}
