//! The server: where it is, how one logs in, and what it has to be like.

use std::io;
use std::sync::Arc;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisError, ServerErrorKind, cmd,
};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use super::connections::Live;
use super::scripts::LAYOUT;
use super::space::Space;
use super::{RedisOpenError, RedisOptions};
use crate::store::tls;

/// The layout of the keys. A release that changes it counts on.
const KNOWN_LAYOUT: i64 = 1;
/// Scripts say since this release what they do, and the server refuses them by that.
const OLDEST: u64 = 7;
/// How often the nodes of a cluster may send on to one another.
const HOPS: usize = 4;

/// What the options say of the server.
pub(super) struct Server {
    address: Address,
    login: RedisConnectionInfo,
    tls: Option<TlsConnector>,
    layout_key: Vec<u8>,
    trust_unread_settings: bool,
}

#[derive(Clone)]
enum Address {
    Tcp(String, u16),
    #[cfg(unix)]
    Unix(std::path::PathBuf),
}

impl Server {
    pub(super) fn of(options: &RedisOptions, space: &Space) -> Result<Self, RedisOpenError> {
        let invalid = |error: RedisError| RedisOpenError::Options(error.to_string());
        let encrypted =
            ["rediss://", "valkeys://"].iter().find_map(|scheme| options.url.strip_prefix(scheme));
        let plain = encrypted.map(|rest| format!("redis://{rest}"));
        let url = plain.as_deref().unwrap_or(&options.url);
        let info = url.into_connection_info().map_err(invalid)?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp(host.clone(), *port),
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(RedisOpenError::Options("the URL names no server".to_owned())),
        };
        let tls = encrypted.map(|_| tls::config(&options.authorities)).transpose();
        Ok(Self {
            address,
            login: info.redis_settings().clone().set_lib_name("grantor", env!("CARGO_PKG_VERSION")),
            tls: tls.map_err(RedisOpenError::Options)?.map(|config| TlsConnector::from(Arc::new(config))),
            layout_key: space.key("layout", &[]),
            trust_unread_settings: options.trust_unread_settings,
        })
    }

    /// Connects to the server that keeps the keys: in a cluster every node knows which.
    pub(super) async fn connect(&self) -> Result<Live, RedisOpenError> {
        let mut address = self.address.clone();
        for _ in 0..HOPS {
            let live = self.connect_to(&address).await?;
            let is_replica = match self.check_settings(live.connection()).await {
                // It knows whose, in a cluster.
                Err(RedisOpenError::Replica) => true,
                checked => checked.map(|()| false)?,
            };
            match self.check_layout(live.connection()).await? {
                None if is_replica => return Err(RedisOpenError::Replica),
                None => return Ok(live),
                Some(elsewhere) => address = elsewhere,
            }
        }
        Err(RedisOpenError::Unavailable(
            "the nodes of the cluster do not agree who keeps the keys".to_owned(),
        ))
    }

    async fn connect_to(&self, address: &Address) -> Result<Live, RedisOpenError> {
        let unreachable = |error: io::Error| RedisOpenError::Unavailable(error.to_string());
        match address {
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
                stream.set_nodelay(true).map_err(unreachable)?;
                let Some(tls) = &self.tls else { return self.log_in(stream).await };
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|error| RedisOpenError::Options(error.to_string()))?;
                self.log_in(tls.connect(name, stream).await.map_err(unreachable)?).await
            }
            #[cfg(unix)]
            Address::Unix(path) => self.log_in(UnixStream::connect(path).await.map_err(unreachable)?).await,
        }
    }

    async fn log_in<S>(&self, stream: S) -> Result<Live, RedisOpenError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // How long an answer is awaited is decided where it is awaited.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&self.login, stream, config).await.map_err(unavailable)?;
        Ok(Live::new(connection, tokio::spawn(driver)))
    }

    async fn check_settings(&self, mut connection: MultiplexedConnection) -> Result<(), RedisOpenError> {
        match cmd("INFO").query_async::<String>(&mut connection).await {
            Ok(info) => self.check(&info),
            // It may not be asked, or there is no such command.
            Err(error) if matches!(error.code(), Some("NOPERM" | "ERR")) => self.unread("INFO"),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Whether a server that says this of itself is one to keep records on.
    fn check(&self, info: &str) -> Result<(), RedisOpenError> {
        let said = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        match said("redis_version") {
            Some(version) if major(version).is_some_and(|major| major >= OLDEST) => {}
            Some(version) => return Err(RedisOpenError::TooOld(version.to_owned())),
            None => self.unread("redis_version")?,
        }
        match said("role") {
            Some("master") => {}
            Some(_) => return Err(RedisOpenError::Replica),
            None => self.unread("role")?,
        }
        match said("maxmemory_policy") {
            Some("noeviction") => Ok(()),
            Some(policy) => Err(RedisOpenError::Evicts(policy.to_owned())),
            None => self.unread("maxmemory_policy"),
        }
    }

    fn unread(&self, what: &'static str) -> Result<(), RedisOpenError> {
        if self.trust_unread_settings { Ok(()) } else { Err(RedisOpenError::Unread(what)) }
    }

    /// Whether this release understands what is kept here; or where else to ask, in a cluster.
    async fn check_layout(
        &self,
        mut connection: MultiplexedConnection,
    ) -> Result<Option<Address>, RedisOpenError> {
        let (keys, arguments) = ([self.layout_key.clone()], [KNOWN_LAYOUT.to_string().into_bytes()]);
        let layout = LAYOUT.in_full(&keys, &arguments).query_async::<Vec<u8>>(&mut connection).await;
        let found = match layout {
            Ok(found) => std::str::from_utf8(&found).ok().and_then(|text| text.parse().ok()),
            Err(error) => match error.kind() {
                ErrorKind::Server(ServerErrorKind::Moved) => return self.moved(&error).map(Some),
                ErrorKind::Server(ServerErrorKind::ReadOnly) => return Err(RedisOpenError::Replica),
                _ if error.code() == Some("WRONGTYPE") => None,
                _ => return Err(unavailable(error)),
            },
        };
        match found.ok_or(RedisOpenError::Foreign)? {
            ..=KNOWN_LAYOUT => Ok(None),
            found => Err(RedisOpenError::Newer { found, known: KNOWN_LAYOUT }),
        }
    }

    /// Where a node says that the keys are. One that does not know its own name leaves it out.
    fn moved(&self, error: &RedisError) -> Result<Address, RedisOpenError> {
        let parts = || {
            let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
            let host = match (host, &self.address) {
                ("" | "?", Address::Tcp(own, _)) => own,
                ("" | "?", _) => return None,
                (host, _) => host,
            };
            Some(Address::Tcp(host.to_owned(), port.parse().ok()?))
        };
        parts().ok_or_else(|| RedisOpenError::Unavailable(error.to_string()))
    }
}

fn major(version: &str) -> Option<u64> {
    version.split('.').next()?.parse().ok()
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn unavailable(error: RedisError) -> RedisOpenError {
    RedisOpenError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of a server that says this of itself, untrusted and trusted.
    fn judged(said: &[&str]) -> [Result<(), RedisOpenError>; 2] {
        let mut options = RedisOptions::new("redis://127.0.0.1");
        let space = Space::of(&options.prefix).unwrap();
        [false, true].map(|trusted| {
            options.trust_unread_settings = trusted;
            Server::of(&options, &space).unwrap().check(&said.join("\r\n"))
        })
    }

    #[test]
    fn a_server_that_is_new_enough_takes_writes_and_evicts_nothing_is_fit() {
        let rest = ["role:master", "maxmemory_policy:noeviction"];
        for version in ["7.0.0", "7.2.4", "8.0.1", "10.0.0"] {
            let version = format!("redis_version:{version}");
            assert_eq!(judged(&[&version, rest[0], rest[1]]), [Ok(()), Ok(())]);
        }
        for version in ["6.2.14", "4.0", ""] {
            let said = format!("redis_version:{version}");
            let too_old = Err(RedisOpenError::TooOld(version.to_owned()));
            assert_eq!(judged(&[&said, rest[0], rest[1]]), [too_old.clone(), too_old]);
        }
    }

    #[test]
    fn only_what_a_server_does_not_tell_is_a_matter_of_trust() {
        let said = ["redis_version:7.0.15", "role:master", "maxmemory_policy:noeviction"];
        for (left_out, name) in ["redis_version", "role", "maxmemory_policy"].into_iter().enumerate() {
            let mut told = said.to_vec();
            told.remove(left_out);
            assert_eq!(judged(&told), [Err(RedisOpenError::Unread(name)), Ok(())]);
        }
        let replica = Err(RedisOpenError::Replica);
        assert_eq!(judged(&[said[0], "role:slave", said[2]]), [replica.clone(), replica]);
        let evicts = Err(RedisOpenError::Evicts("volatile-lru".to_owned()));
        assert_eq!(judged(&[said[0], said[1], "maxmemory_policy:volatile-lru"]), [evicts.clone(), evicts]);
    }
}
