//! The layout of the file, and how a connection is set up.

use std::time::Instant;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{SqliteOpenError, SqliteOptions};

/// Marks a file as ours: "grnt".
const APPLICATION_ID: i64 = 0x6772_6e74;

/// Each step leads from the layout of its place to the next; a release only ever adds steps.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE record (
        namespace    BLOB    NOT NULL,
        kind         INTEGER NOT NULL,
        id           BLOB    NOT NULL,
        version      BLOB    NOT NULL,
        retain_until INTEGER NOT NULL,
        body         BLOB    NOT NULL,
        PRIMARY KEY (namespace, kind, id)
    ) STRICT;
    CREATE INDEX record_by_retention ON record (retain_until);
    CREATE TABLE term (
        term_namespace BLOB    NOT NULL,
        term_kind      INTEGER NOT NULL,
        term_id        BLOB    NOT NULL,
        namespace      BLOB    NOT NULL,
        kind           INTEGER NOT NULL,
        id             BLOB    NOT NULL,
        PRIMARY KEY (term_namespace, term_kind, term_id, namespace, kind, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX term_by_record ON term (namespace, kind, id);
"];

/// Opens the file and sets what is kept for each connection.
pub(super) fn connect(options: &SqliteOptions) -> Result<Connection, SqliteOpenError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -16384;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(connection)
}

/// Brings the file to the newest layout, unless it is not ours to change.
pub(super) fn prepare(connection: &mut Connection, options: &SqliteOptions) -> Result<(), SqliteOpenError> {
    // In a transaction, so that all of it is of one moment: another process may be making the layout right now.
    layout(&*connection.transaction()?)?;
    write_ahead(connection, options)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = layout(&transaction)?;
    for (step, at) in MIGRATIONS.iter().zip(0_i64..).skip_while(|(_, at)| *at < found) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", at + 1)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()?;
    Ok(())
}

/// Sets the most pages the file may have; a file that has more already keeps them.
pub(super) fn limit(connection: &Connection, options: &SqliteOptions) -> Result<(), SqliteOpenError> {
    if let Some(bytes) = options.max_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX).checked_div(page).unwrap_or(i64::MAX);
        let pages = pages.clamp(1, i64::from(u32::MAX) - 1);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

/// The layout of a file that is ours or still empty.
fn layout(connection: &Connection) -> Result<i64, SqliteOpenError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, found) = (number("application_id")?, number("user_version")?);
    let empty = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    match application {
        APPLICATION_ID if found > known => Err(SqliteOpenError::Newer { found, known }),
        APPLICATION_ID => Ok(found),
        0 if found == 0 && empty => Ok(0),
        _ => Err(SqliteOpenError::Foreign),
    }
}

/// Switches to the write-ahead log. Another process that does the same can be in the way for a moment.
fn write_ahead(connection: &Connection, options: &SqliteOptions) -> Result<(), SqliteOpenError> {
    let start = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(SqliteOpenError::Unavailable(format!(
                    "no write-ahead log here, but journal mode {mode}"
                )));
            }
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && start.elapsed() < options.busy_timeout =>
            {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::statements;
    use super::*;

    fn text(connection: &Connection, pragma: &str) -> String {
        connection
            .pragma_query_value(None, pragma, |row| {
                row.get::<_, i64>(0).map(|n| n.to_string()).or_else(|_| row.get::<_, String>(0))
            })
            .unwrap()
    }

    #[test]
    fn every_connection_flushes_before_it_acknowledges() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("store"));
        let mut first = connect(&options).unwrap();
        prepare(&mut first, &options).unwrap();
        for connection in [first, connect(&options).unwrap()] {
            assert_eq!(text(&connection, "journal_mode"), "wal");
            assert_eq!(text(&connection, "synchronous"), "2");
            assert_eq!(text(&connection, "busy_timeout"), "5000");
            assert_eq!(text(&connection, "trusted_schema"), "0");
            assert_eq!(text(&connection, "application_id"), APPLICATION_ID.to_string());
            assert_eq!(text(&connection, "user_version"), MIGRATIONS.len().to_string());
        }
    }

    #[test]
    fn every_lookup_goes_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("store"));
        let mut connection = connect(&options).unwrap();
        prepare(&mut connection, &options).unwrap();
        for query in statements::ALL {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
            let mut rows = plan.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get(3).unwrap();
                assert!(step.starts_with("SEARCH") || step.starts_with("LIST SUBQUERY"), "{query}: {step}");
            }
        }
    }
}
