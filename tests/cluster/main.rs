//! Several example servers over one database, each a process of its own: together they are one authorization server,
//! whatever comes at once through all of them, and whoever is killed meanwhile.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod backend;
mod client;
#[path = "../common/daemon.rs"]
mod daemon;
mod kill_nine;
mod nodes;
#[path = "../common/postgres.rs"]
mod postgres;
mod races;
#[path = "../common/redis.rs"]
mod redis;
#[allow(dead_code, reason = "only a browser that signs in is needed")]
#[path = "../example_server/support.rs"]
mod support;

/// How many servers share a database.
const SERVERS: usize = 3;

macro_rules! every_rule_over {
    ($($module:ident: $backend:ty;)*) => {
        $(
            mod $module {
                every_rule_over!(@each $backend;
                    races::of_redemptions_through_all_servers_one_succeeds_and_the_grant_ends_replayed,
                    races::refreshes_through_all_servers_get_one_and_the_same_successor,
                    races::while_the_database_restarts_no_code_is_redeemed_twice,
                    races::while_the_database_restarts_no_refresh_token_gets_two_successors,
                    kill_nine::nothing_acknowledged_is_lost_when_a_server_is_killed,
                    kill_nine::nothing_acknowledged_is_lost_when_the_database_is_killed,
                );
            }
        )*
    };
    (@each $backend:ty; $($file:ident::$rule:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let Some(backend) = <$backend as crate::backend::Backend>::start() else { return };
                crate::$file::$rule(backend).await;
            }
        )*
    };
}

every_rule_over! {
    postgres_server: crate::postgres::Postgres;
    redis_server: crate::redis::Redis;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_only_server_is_killed() {
    kill_nine::nothing_acknowledged_is_lost_when_the_only_server_is_killed().await;
}

/// A number that the slower proofs set higher.
fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |number| number.parse().unwrap())
}
