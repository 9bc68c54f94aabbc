//! The connections: how they are made, what is set in each session, and how long one waits for what.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use deadpool_postgres::tokio_postgres::error::{Severity, SqlState};
use deadpool_postgres::tokio_postgres::types::ToSql;
use deadpool_postgres::tokio_postgres::{Config, Error, NoTls, Row, Statement};
use deadpool_postgres::{
    BuildError, ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod,
};
use rustls::ClientConfig;
use tokio::time::timeout;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{PostgresOpenError, PostgresOptions, schema, statements};
use crate::store::{remote, tls};

/// How much longer than the server may work its answer is awaited.
const GRACE: Duration = Duration::from_secs(1);
/// After how much silence the operating system asks whether the server is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Why there is no answer; where the server said no, it took back whatever the statement had done.
pub(super) type Failure = remote::Failure<Option<SqlState>>;

fn unreachable(error: impl std::fmt::Display) -> Failure {
    Failure::Unreachable(error.to_string())
}

/// A pool of connections whose sessions are set up.
pub(super) struct Connections {
    pool: Pool,
    connection_timeout: Duration,
    answer_timeout: Duration,
}

impl Connections {
    /// Brings the tables to the newest layout. Connections are then made when they are needed.
    pub(super) async fn open(options: &PostgresOptions) -> Result<Self, PostgresOpenError> {
        let schema = schema::checked(&options.schema)?;
        let session: Arc<str> = session(schema, options.statement_timeout).into();
        let invalid = |error: BuildError| PostgresOpenError::Options(error.to_string());
        let first = Pool::builder(manager(options)?).max_size(1).build().map_err(invalid)?;
        timeout(schema::PATIENCE, schema::prepare(&first, schema, &session))
            .await
            .unwrap_or_else(|_| Err(PostgresOpenError::Unavailable("no answer in time".to_owned())))?;
        let set_up = Hook::async_fn(move |client, _| {
            let session = Arc::clone(&session);
            Box::pin(async move { begin(client, &session).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager(options)?).max_size(options.connections.max(1)).post_create(set_up);
        let pool = pool.build().map_err(invalid)?;
        Ok(Self {
            pool,
            connection_timeout: options.connection_timeout,
            answer_timeout: options.statement_timeout.saturating_add(GRACE),
        })
    }

    /// Sends one statement and waits for the end of its transaction.
    pub(super) async fn ask(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let (client, statement) = timeout(self.connection_timeout, self.prepared(sql))
            .await
            .unwrap_or_else(|_| Err(unreachable("no connection came free in time")))?;
        let lost = match timeout(self.answer_timeout, client.query(&statement, parameters)).await {
            Ok(Ok(rows)) => return Ok(rows),
            Ok(Err(error)) if is_refusal(&error) => {
                return Err(Failure::Refused { code: error.code().cloned(), why: error.to_string() });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the server did not answer in time".to_owned(),
        };
        // Closes it: whatever it still says would be no answer to the next question.
        drop(Object::take(client));
        Err(Failure::Lost(lost))
    }

    async fn prepared(&self, sql: &'static str) -> Result<(Object, Statement), Failure> {
        let client = self.pool.get().await.map_err(unreachable)?;
        let statement = client.prepare_cached(sql).await.map_err(unreachable)?;
        Ok((client, statement))
    }
}

/// Whether the server ended the statement and its transaction, and the session goes on. Where it ended the session, the
/// transaction may have been over before.
fn is_refusal(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| error.parsed_severity() == Some(Severity::Error))
}

/// What every session is told first.
fn session(schema: &str, statement_timeout: Duration) -> String {
    let milliseconds = statement_timeout.as_millis().clamp(1, i32::MAX as u128);
    format!(
        "SET search_path TO \"{schema}\";
         SET statement_timeout TO {milliseconds};
         SET default_transaction_isolation TO 'read committed';
         SET enable_seqscan TO off;
         SET jit TO off;
         SET client_min_messages TO warning;
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';"
    )
}

/// Sets a session up. What every request needs is prepared now, so that later each is one round trip.
async fn begin(client: &mut ClientWrapper, session: &str) -> Result<(), Error> {
    client.batch_execute(session).await?;
    for sql in statements::FREQUENT {
        client.prepare_cached(sql).await?;
    }
    Ok(())
}

fn manager(options: &PostgresOptions) -> Result<Manager, PostgresOpenError> {
    let invalid = |error: Error| PostgresOpenError::Options(error.to_string());
    let mut config: Config = options.url.parse().map_err(invalid)?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(PostgresOpenError::Options("the URL names no host".to_owned()));
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.connect_timeout(options.connection_timeout);
    config.keepalives_idle(KEEPALIVE);
    config.tcp_user_timeout(options.statement_timeout.saturating_add(GRACE));
    if config.get_application_name().is_none() {
        config.application_name("grantor");
    }
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(if is_local(&config) { SslMode::Disable } else { SslMode::Require });
    }
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Ok(match config.get_ssl_mode() {
        SslMode::Disable => Manager::from_config(config, NoTls, recycling),
        _ => Manager::from_config(config, MakeRustlsConnect::new(tls(&options.authorities)?), recycling),
    })
}

/// Whether what is sent stays on this machine.
fn is_local(config: &Config) -> bool {
    let named = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    named && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

fn tls(authorities: &str) -> Result<ClientConfig, PostgresOpenError> {
    let mut config = tls::config(authorities).map_err(PostgresOpenError::Options)?;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}
