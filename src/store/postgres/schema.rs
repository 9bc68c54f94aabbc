//! The layout of the tables, and the functions that change them.

use deadpool_postgres::Pool;
use deadpool_postgres::tokio_postgres::{Error, GenericClient};

use super::PostgresOpenError;

/// The lock under which the layout is made and changed: "grnt".
const LAYOUT_LOCK: i64 = 0x6772_6e74;

/// How long a change of the layout, by this process or another, is awaited.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Whether there is such a schema, whether there is anything in it, and whether that is ours.
const OWNER: &str = "
    SELECT count(DISTINCT space.oid) > 0 AS exists, count(thing.oid) > 0 AS used,
        count(*) FILTER (WHERE thing.relname = 'grantor_layout') > 0 AS ours
    FROM pg_namespace AS space LEFT JOIN pg_class AS thing ON thing.relnamespace = space.oid
    WHERE space.nspname = $1";

/// Tells the layout, and that the schema is ours.
const FIRST: &str = "
    CREATE TABLE grantor_layout (version bigint NOT NULL);
    INSERT INTO grantor_layout VALUES (0);";

/// Each step leads from the layout of its place to the next; a release only ever adds steps. Keys and terms are 33 bytes:
/// namespace, kind, id.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE records (
        key          bytea  PRIMARY KEY CHECK (octet_length(key) = 33),
        version      bytea  NOT NULL CHECK (octet_length(version) = 16),
        retain_until bigint NOT NULL,
        body         bytea  NOT NULL
    );
    CREATE INDEX records_by_retention ON records (retain_until);

    CREATE TABLE terms (
        term bytea NOT NULL CHECK (octet_length(term) = 33),
        key  bytea NOT NULL,
        PRIMARY KEY (term, key)
    );
    CREATE INDEX terms_by_key ON terms (key);

    -- Batches of unknown outcome that nobody waits for any more.
    CREATE TABLE refused (
        version    bytea       PRIMARY KEY,
        refused_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX refused_by_age ON refused (refused_at);

    -- Takes a lock on every key until the transaction is over, in one order for all.
    CREATE FUNCTION lock_keys(looked_at bytea[], written bytea[]) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        lock_name bigint;
        exclusive boolean;
    BEGIN
        FOR lock_name, exclusive IN
            SELECT hashtextextended(encode(wanted.key, 'hex'), 'records'::regclass::oid::bigint), bool_or(wanted.exclusive)
            FROM (SELECT unnest(looked_at) AS key, false AS exclusive
                  UNION ALL SELECT unnest(written), true) AS wanted
            GROUP BY 1 ORDER BY 1
        LOOP
            IF exclusive THEN
                PERFORM pg_advisory_xact_lock(lock_name);
            ELSE
                PERFORM pg_advisory_xact_lock_shared(lock_name);
            END IF;
        END LOOP;
    END $$;

    -- Applies a batch whole, or answers false and has done nothing. An expected version of NULL is an absent record.
    CREATE FUNCTION apply_batch(
        batch bytea, expected_keys bytea[], expected_versions bytea[], deleted bytea[],
        put_keys bytea[], put_retain_until bigint[], put_bodies bytea[], listed_terms bytea[], listed_keys bytea[]
    ) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE 'a batch is applied at the isolation level read committed, not %',
                current_setting('transaction_isolation');
        END IF;
        PERFORM lock_keys(expected_keys, deleted || put_keys);
        IF EXISTS (SELECT FROM refused WHERE version = batch) OR EXISTS (
            SELECT FROM unnest(expected_keys, expected_versions) AS expected (key, version)
            LEFT JOIN records ON records.key = expected.key
            WHERE records.version IS DISTINCT FROM expected.version
        ) THEN
            RETURN false;
        END IF;
        DELETE FROM records WHERE key = ANY (deleted);
        DELETE FROM terms WHERE key = ANY (deleted || put_keys)
            AND (term, key) NOT IN (SELECT * FROM unnest(listed_terms, listed_keys));
        INSERT INTO records (key, version, retain_until, body)
            SELECT put.key, batch, put.retain_until, put.body
            FROM unnest(put_keys, put_retain_until, put_bodies) AS put (key, retain_until, body)
            ON CONFLICT (key) DO UPDATE SET
                version = excluded.version, retain_until = excluded.retain_until, body = excluded.body;
        INSERT INTO terms (term, key)
            SELECT * FROM unnest(listed_terms, listed_keys) ON CONFLICT DO NOTHING;
        RETURN true;
    END $$;

    -- When this returns, each batch was applied or never will be. Keys are those that the batches write.
    CREATE FUNCTION refuse_batches(batches bytea[], written bytea[]) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM lock_keys('{}', written);
        INSERT INTO refused (version) SELECT unnest(batches) ON CONFLICT DO NOTHING;
    END $$;

    -- Deletes at most so many records that may be forgotten, longest due first, of whatever kind; answers how many.
    CREATE FUNCTION purge_records(before bigint, at_most integer) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        due     bytea[];
        deleted bigint;
    BEGIN
        before := least(before, extract(epoch FROM clock_timestamp())::bigint);
        due := ARRAY(SELECT key FROM records WHERE retain_until < before ORDER BY retain_until LIMIT at_most);
        PERFORM lock_keys('{}', due);
        WITH gone AS (
            DELETE FROM records WHERE key = ANY (due) AND retain_until < before RETURNING key
        ), unlisted AS (
            DELETE FROM terms WHERE key IN (SELECT key FROM gone)
        )
        SELECT count(*) INTO deleted FROM gone;
        DELETE FROM refused WHERE refused_at < now() - interval '1 day';
        RETURN deleted;
    END $$;
"];

/// A name that needs no more than quotes in a statement.
pub(super) fn checked(schema: &str) -> Result<&str, PostgresOpenError> {
    let fits = schema.len() <= 63 && !schema.starts_with(|first: char| first.is_ascii_digit());
    let plain = schema.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if fits && plain && !schema.is_empty() {
        Ok(schema)
    } else {
        Err(PostgresOpenError::Options(format!("the schema {schema:?} is not named in plain letters")))
    }
}

/// Brings the tables to the newest layout, unless they are not ours to change. Many may do so at once: one does it, and the
/// others wait.
pub(super) async fn prepare(pool: &Pool, schema: &str, session: &str) -> Result<(), PostgresOpenError> {
    let mut client = pool.get().await.map_err(|error| PostgresOpenError::Unavailable(error.to_string()))?;
    client.batch_execute(session).await.map_err(unavailable)?;
    let transaction = client.transaction().await.map_err(unavailable)?;
    let patience = format!("SET LOCAL statement_timeout TO {}", PATIENCE.as_millis());
    transaction.batch_execute(&patience).await.map_err(unavailable)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LAYOUT_LOCK]).await.map_err(unavailable)?;
    let found = layout(&*transaction, schema).await?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(PostgresOpenError::Newer { found, known });
    }
    for (step, at) in MIGRATIONS.iter().zip(0_i64..).skip_while(|(_, at)| *at < found) {
        transaction.batch_execute(step).await.map_err(unavailable)?;
        transaction
            .execute("UPDATE grantor_layout SET version = $1", &[&(at + 1)])
            .await
            .map_err(unavailable)?;
    }
    transaction.commit().await.map_err(unavailable)
}

/// The layout of a schema that is ours or still empty; then it becomes ours, with layout 0.
async fn layout(client: &impl GenericClient, schema: &str) -> Result<i64, PostgresOpenError> {
    let row = client.query_one(OWNER, &[&schema]).await.map_err(unavailable)?;
    let is = |column| row.try_get::<_, bool>(column).map_err(unavailable);
    let (exists, used, ours) = (is("exists")?, is("used")?, is("ours")?);
    if ours {
        let row = client.query_one("SELECT version FROM grantor_layout", &[]).await.map_err(unavailable)?;
        return row.try_get(0).map_err(unavailable);
    }
    if used {
        return Err(PostgresOpenError::Foreign);
    }
    if !exists {
        client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await.map_err(unavailable)?;
    }
    client.batch_execute(FIRST).await.map_err(unavailable)?;
    Ok(0)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn unavailable(error: Error) -> PostgresOpenError {
    PostgresOpenError::Unavailable(error.to_string())
}
