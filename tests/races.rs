//! Races: many requests at once on every store. What each race asserts stands in `common/races.rs`.

mod common;

use std::sync::Arc;

use common::races;
use grantor::store::MemoryStore;

macro_rules! races {
    ($($store:ident, turns $turns:literal: $empty:expr;)*) => {
        $(
            mod $store {
                use super::*;

                /// How often a race of two is run.
                const TURNS: usize = $turns;

                races!(@each $empty;
                    of_many_redemptions_of_a_code_one_succeeds_and_the_grant_ends_replayed()
                    of_many_redemptions_with_a_wrong_verifier_none_burns_the_code()
                    many_refreshes_of_a_rotating_token_get_one_and_the_same_successor()
                    many_refreshes_in_strict_mode_leave_no_live_token_or_one()
                    many_refreshes_by_a_client_that_authenticates_all_succeed()
                    many_submissions_of_one_consent_give_one_code()
                    of_many_redemptions_of_a_device_code_one_succeeds_and_the_grant_ends_replayed()
                    of_all_who_decide_about_a_device_the_first_wins(TURNS)
                    of_all_who_decide_for_a_client_that_named_its_user_the_first_wins(TURNS)
                    of_all_who_decide_for_a_client_that_is_sent_its_tokens_the_first_wins(TURNS)
                    once_a_revocation_is_answered_nothing_lives(TURNS)
                    once_a_subject_is_disabled_nothing_of_it_lives(TURNS)
                    once_a_client_is_disabled_nothing_of_it_lives(TURNS)
                    once_the_user_took_access_back_nothing_lives(TURNS)
                    once_a_logout_is_answered_nothing_of_the_session_lives(TURNS)
                    a_redemption_against_a_replay_leaves_nothing_alive(TURNS)
                );
            }
        )*
    };
    (@each $empty:expr; $($race:ident($($turns:expr)?))*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
            async fn $race() {
                races::$race(Arc::new($empty) $(, $turns)?).await;
            }
        )*
    };
}

races! {
    memory, turns 300: MemoryStore::new();
    memory_with_delays, turns 300: common::stores::Waiting::default();
    sqlite, turns 30: common::stores::Sqlite::new();
}

#[cfg(unix)]
races! {
    postgres, turns 10: match common::stores::Postgres::start().await {
        Some(store) => store,
        None => return,
    };
    redis, turns 10: match common::stores::Redis::start().await {
        Some(store) => store,
        None => return,
    };
}
