//! Which Redis, and how it is reached.
//!
//! | URL | meaning |
//! |---|---|
//! | `redis://[user:password@]host[:port][/db]` | one server |
//! | `redis+cluster://[user:password@]host[:port],host[:port],…` | a cluster; some of its nodes |
//! | `redis+sentinel://[user:password@]host[:port],…/name[/db]` | the primary that these sentinels know by this name |
//!
//! `rediss` instead of `redis`: over TLS, with the authorities that the system trusts, or those of
//! [`RedisServer::trusting`]. Credentials are those of the servers; those of sentinels may follow as
//! `?sentinel_username=…&sentinel_password=…`. A URL with a password is shown by [`crate::config::redacted`] only.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, Pipeline, RedisError,
    RedisFuture, TlsCertificates, TlsMode, Value,
};
use url::form_urlencoded;

use crate::config::{Config, DedupConfig, escape_fault};
use crate::tls::authorities;

/// Why a URL names no Redis. The message does not repeat the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRedisUrl(String);

/// A server, a cluster, or the primary behind sentinels, and whom to trust in it.
#[derive(Clone)]
pub struct RedisServer {
    place: Place,
    /// In place of the system's.
    authorities: Option<Vec<u8>>,
}

#[derive(Clone)]
enum Place {
    /// One server.
    Single(ConnectionInfo),
    /// Some nodes of a cluster.
    Cluster(Vec<ConnectionInfo>),
    /// The primary of a set.
    Sentinel(Sentinels),
}

#[derive(Clone)]
struct Sentinels {
    addresses: Vec<ConnectionAddr>,
    /// User and password, where the sentinels want any.
    credentials: [Option<String>; 2],
    /// By which they know the set.
    name: String,
    /// How to talk to the primary.
    primary: ConnectionInfo,
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.place {
            Place::Single(_) => "RedisServer(single)",
            Place::Cluster(_) => "RedisServer(cluster)",
            Place::Sentinel(_) => "RedisServer(sentinel)",
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
        if let Some(fault) = escape_fault(credentials) {
            return Err(wrong(fault));
        }
        if rest.contains('#') {
            return Err(wrong(
                "must have nothing behind a #: the server's certificate is always verified",
            ));
        }
        if kind != "sentinel" && rest.contains('?') {
            return Err(wrong("must have no parameters behind a ?"));
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        if kind.is_empty() && hosts.contains(',') {
            return Err(wrong(
                "names several hosts: begin with redis+cluster:// or redis+sentinel://, or name one",
            ));
        }
        let node = |credentials: &str, host: &str, db: &str| {
            let at = if credentials.is_empty() { "" } else { "@" };
            // The parser's message may quote the URL, and with it the password.
            let parsed = format!("{tls}://{credentials}{at}{host}/{db}").into_connection_info();
            parsed.map_err(|_| wrong("must be redis://[user:password@]host[:port][/db]"))
        };
        let place = match kind {
            "" => Place::Single(node(credentials, hosts, path)?),
            "cluster" if path.is_empty() => {
                let nodes = hosts.split(',').map(|host| node(credentials, host, ""));
                Place::Cluster(nodes.collect::<Result<_, _>>()?)
            }
            "cluster" => return Err(wrong("a cluster has no numbered databases")),
            "sentinel" => {
                let (path, query) = path.split_once('?').unwrap_or((path, ""));
                let (name, db) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(wrong("needs the primary's name: redis+sentinel://host:port,…/name"));
                }
                let with_port = |host: &str| {
                    let has_port = host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
                    format!("{host}{}", if has_port { "" } else { ":26379" })
                };
                let address = |host| node("", &with_port(host), "").map(|node| node.addr().clone());
                Place::Sentinel(Sentinels {
                    addresses: hosts.split(',').map(address).collect::<Result<_, _>>()?,
                    credentials: sentinel_credentials(query)?,
                    name: name.to_owned(),
                    primary: node(credentials, "unused", db)?,
                })
            }
            _ => return Err(wrong("must be redis://, redis+cluster:// or redis+sentinel://")),
        };
        Ok(Self {
            place,
            authorities: None,
        })
    }
}

/// Returns user and password for the sentinels. Errors do not quote them.
fn sentinel_credentials(query: &str) -> Result<[Option<String>; 2], InvalidRedisUrl> {
    let mut credentials = [None, None];
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "sentinel_username" => credentials[0] = Some(value.into_owned()),
            "sentinel_password" => credentials[1] = Some(value.into_owned()),
            _ => {
                let text = "after the primary's name, only sentinel_username and sentinel_password may follow";
                return Err(InvalidRedisUrl(text.to_owned()));
            }
        }
    }
    Ok(credentials)
}

impl DedupConfig {
    /// Returns the Redis to keep windows in, or `None` if none is configured.
    ///
    /// # Errors
    /// Which setting is wrong, and how: the URL names none, or the authorities cannot be used.
    pub fn redis_server(&self) -> Result<Option<RedisServer>, String> {
        if self.redis_url.is_empty() {
            return Ok(None);
        }
        let parsed = self.redis_url.parse::<RedisServer>();
        let server = parsed.map_err(|error| format!("dedup.redis_url: {error}"))?;
        if self.redis_ca_file.as_os_str().is_empty() {
            return Ok(Some(server));
        }
        let trusting = authorities(&self.redis_ca_file).and_then(|pem| server.trusting(pem));
        trusting
            .map(Some)
            .map_err(|error| format!("dedup.redis_ca_file: {error}"))
    }
}

/// Notes the faults of Redis' settings.
pub(crate) fn check(config: &Config, wrong: &mut Vec<String>) {
    wrong.extend(config.dedup.redis_server().err());
}

impl RedisServer {
    /// Trusts these authorities (PEM) in place of the system's.
    ///
    /// # Errors
    /// The connection is not encrypted.
    pub fn trusting(self, authorities: Vec<u8>) -> Result<Self, String> {
        let encrypted = match &self.place {
            Place::Single(server) => is_encrypted(server.addr()),
            Place::Cluster(nodes) => nodes.iter().all(|node| is_encrypted(node.addr())),
            Place::Sentinel(sentinels) => is_encrypted(sentinels.primary.addr()),
        };
        if !encrypted {
            return Err("is of use with a rediss URL only".to_owned());
        }
        Ok(Self {
            place: self.place,
            authorities: Some(authorities),
        })
    }

    /// Makes a new connection, on the current runtime. `timeout` bounds each of its calls.
    pub(super) async fn connect(&self, timeout: Duration) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        let certificates = self.authorities.clone().map(|authorities| TlsCertificates {
            client_tls: None,
            root_cert: Some(authorities),
        });
        let client = match &self.place {
            Place::Single(server) => match certificates {
                Some(certificates) => Client::build_with_tls(server.clone(), certificates)?,
                None => Client::open(server.clone())?,
            },
            Place::Sentinel(sentinels) => sentinels.client(certificates)?.build()?.async_get_client().await?,
            Place::Cluster(nodes) => {
                let mut builder = ClusterClient::builder(nodes.clone())
                    .connection_timeout(timeout)
                    .response_timeout(timeout)
                    .retries(1)
                    .max_retry_wait(50);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                let connection = builder.build()?.get_async_connection().await?;
                return Ok(Connection::Cluster(connection));
            }
        };
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Connection::Single(connection))
    }
}

impl Sentinels {
    fn client(&self, certificates: Option<TlsCertificates>) -> Result<SentinelClientBuilder, RedisError> {
        let kind = SentinelServerType::Master;
        let mut client = SentinelClientBuilder::new(self.addresses.clone(), &self.name, kind)?;
        let server = self.primary.redis_settings();
        client = client.set_client_to_redis_db(server.db());
        if let Some(user) = server.username() {
            client = client.set_client_to_redis_username(user);
        }
        if let Some(password) = server.password() {
            client = client.set_client_to_redis_password(password);
        }
        let [user, password] = &self.credentials;
        if let Some(user) = user {
            client = client.set_client_to_sentinel_username(user);
        }
        if let Some(password) = password {
            client = client.set_client_to_sentinel_password(password);
        }
        if is_encrypted(self.primary.addr()) {
            client = client.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = certificates {
            client = client
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        Ok(client)
    }
}

fn is_encrypted(address: &ConnectionAddr) -> bool {
    matches!(address, ConnectionAddr::TcpTls { .. })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_one_server_a_cluster_or_sentinels() {
        let parse = |url: &str| url.parse::<RedisServer>().map(|server| server.place);
        assert!(matches!(
            parse("redis://:secret@localhost:7000/2"),
            Ok(Place::Single(server)) if server.redis_settings().db() == 2
                && server.redis_settings().password() == Some("secret")
        ));
        assert!(matches!(
            parse("rediss+cluster://a:7000,b:7001"),
            Ok(Place::Cluster(nodes)) if nodes.len() == 2
        ));
        let Ok(Place::Sentinel(set)) =
            parse("redis+sentinel://conduit:secret@a,b:7001/main/3?sentinel_username=watch&sentinel_password=p%26%40")
        else {
            panic!("a set behind sentinels")
        };
        let addresses: Vec<String> = set.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["a:26379", "b:7001"]);
        assert_eq!(set.name, "main");
        assert_eq!(set.credentials, ["watch", "p&@"].map(|text| Some(text.to_owned())));
        let server = set.primary.redis_settings();
        assert_eq!(
            (server.username(), server.password(), server.db()),
            (Some("conduit"), Some("secret"), 3)
        );
        for wrong in [
            "localhost",
            "http://localhost",
            "redis+sentinel://a",
            "redis+ring://a",
            "redis+cluster://a/1",
            "rediss://a/#insecure",
            "rediss://a#insecure",
            "rediss+sentinel://a/main#insecure",
            "redis://a?hunter2=1",
            "redis://a/1?hunter2=1",
            "redis+cluster://a?hunter2=1",
            "redis://:hunter2%zz@a",
            "redis://a,b",
            "redis://a/hunter2",
            "redis+sentinel://a/main?password=hunter2",
        ] {
            let error = parse(wrong).err().unwrap().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
