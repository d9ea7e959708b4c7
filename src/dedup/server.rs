//! Which Redis, and how it is reached.
//!
//! | URL | meaning |
//! |---|---|
//! | `redis://[user:password@]host[:port][/db]` | one server |
//! | `redis+cluster://[user:password@]host[:port],host[:port],…` | a cluster; some of its nodes |
//! | `redis+sentinel://[user:password@]host[:port],…/name[/db]` | the primary that these sentinels know by this name |
//!
//! `rediss` instead of `redis`: over TLS, with the certificates that the system trusts. Credentials are those of the
//! servers; sentinels are asked without. A URL with a password is shown by [`redacted`] only.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo as _, Pipeline, RedisError, RedisFuture,
    TlsMode, Value,
};

/// Why a URL names no Redis. The message does not repeat the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRedisUrl(String);

/// A server, a cluster, or the primary behind sentinels.
#[derive(Clone)]
pub enum RedisServer {
    /// One server.
    Single(ConnectionInfo),
    /// Some nodes of a cluster.
    Cluster(Vec<ConnectionInfo>),
    /// The primary of a set, by the name that its sentinels know.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<ConnectionInfo>,
        /// The set's name.
        name: String,
        /// How to talk to the primary.
        primary: ConnectionInfo,
    },
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "RedisServer::Single",
            Self::Cluster(_) => "RedisServer::Cluster",
            Self::Sentinel { .. } => "RedisServer::Sentinel",
        })
    }
}

impl std::str::FromStr for RedisServer {
    type Err = InvalidRedisUrl;

    fn from_str(url: &str) -> Result<Self, InvalidRedisUrl> {
        let wrong = |what: &str| InvalidRedisUrl(what.to_owned());
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| wrong("must begin with redis:// or one of its kin"))?;
        let (tls, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(tls, "redis" | "rediss") {
            return Err(wrong("must begin with redis:// or rediss://"));
        }
        let (credentials, rest) = rest.rsplit_once('@').map_or(("", rest), |(user, rest)| (user, rest));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let node = |credentials: &str, host: &str, db: &str| {
            let at = if credentials.is_empty() { "" } else { "@" };
            // What the parser says of it may quote the URL, and with it the password.
            let parsed = format!("{tls}://{credentials}{at}{host}/{db}").into_connection_info();
            parsed.map_err(|_| wrong("must be redis://[user:password@]host[:port][/db]"))
        };
        match kind {
            "" => Ok(Self::Single(node(credentials, hosts, path)?)),
            "cluster" if path.is_empty() => {
                let nodes = hosts.split(',').map(|host| node(credentials, host, ""));
                Ok(Self::Cluster(nodes.collect::<Result<_, _>>()?))
            }
            "cluster" => Err(wrong("a cluster has no numbered databases")),
            "sentinel" => {
                let (name, db) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(wrong("needs the primary's name: redis+sentinel://host:port,…/name"));
                }
                let with_port = |host: &str| {
                    let has_port = host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
                    format!("{host}{}", if has_port { "" } else { ":26379" })
                };
                let sentinels = hosts.split(',').map(|host| node("", &with_port(host), ""));
                Ok(Self::Sentinel {
                    sentinels: sentinels.collect::<Result<_, _>>()?,
                    name: name.to_owned(),
                    primary: node(credentials, "unused", db)?,
                })
            }
            _ => Err(wrong("must be redis://, redis+cluster:// or redis+sentinel://")),
        }
    }
}

impl RedisServer {
    /// A new connection, on the current runtime. Each of its calls is bounded by `timeout`.
    pub(super) async fn connect(&self, timeout: Duration) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        let client = match self {
            Self::Single(server) => Client::open(server.clone())?,
            Self::Sentinel {
                sentinels,
                name,
                primary,
            } => {
                let encrypted = matches!(primary.addr(), redis::ConnectionAddr::TcpTls { .. });
                let mut node =
                    SentinelNodeConnectionInfo::default().set_redis_connection_info(primary.redis_settings().clone());
                if encrypted {
                    node = node.set_tls_mode(TlsMode::Secure);
                }
                SentinelClient::build(sentinels.clone(), name, Some(node), SentinelServerType::Master)?
                    .async_get_client()
                    .await?
            }
            Self::Cluster(nodes) => {
                let client = ClusterClient::builder(nodes.clone())
                    .connection_timeout(timeout)
                    .response_timeout(timeout)
                    .retries(1)
                    .max_retry_wait(50)
                    .build()?;
                return Ok(Connection::Cluster(client.get_async_connection().await?));
            }
        };
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Connection::Single(connection))
    }
}

/// A connection that many calls may share.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// A URL to show: without its password, if it has one.
#[must_use]
pub fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    match rest.rsplit_once('@') {
        Some((credentials, rest)) => {
            let user = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:(redacted)@{rest}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_one_server_a_cluster_or_sentinels() {
        let parse = |url: &str| url.parse::<RedisServer>();
        assert!(matches!(
            parse("redis://:secret@localhost:7000/2"),
            Ok(RedisServer::Single(server)) if server.redis_settings().db() == 2
                && server.redis_settings().password() == Some("secret")
        ));
        assert!(matches!(
            parse("rediss+cluster://a:7000,b:7001"),
            Ok(RedisServer::Cluster(nodes)) if nodes.len() == 2
        ));
        assert!(matches!(
            parse("redis+sentinel://conduit:secret@a,b:7001/main/3"),
            Ok(RedisServer::Sentinel { sentinels, name, primary }) if name == "main"
                && sentinels[0].addr().to_string() == "a:26379"
                && sentinels[1].addr().to_string() == "b:7001"
                && sentinels[0].redis_settings().password().is_none()
                && primary.redis_settings().username() == Some("conduit")
                && primary.redis_settings().db() == 3
        ));
        for wrong in [
            "localhost",
            "http://localhost",
            "redis+sentinel://a",
            "redis+ring://a",
            "redis+cluster://a/1",
            "redis://a/hunter2",
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(redacted("redis://ada:sec@ret@host/1"), "redis://ada:(redacted)@host/1");
        assert_eq!(
            redacted("rediss+cluster://:secret@a,b"),
            "rediss+cluster://:(redacted)@a,b"
        );
        assert_eq!(redacted("redis://host"), "redis://host");
    }
}
