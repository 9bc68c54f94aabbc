//! What happens when something else is written between what a request has read and what it writes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::clients::API;
use common::stores::Between;
use common::{Agent, Answer, Fixture, alice, authorization, machine, redemption, refreshing, scope};
use grantor::record::grant::{EndReason, GrantStatus};

/// A server, and another one on the same store.
struct Pair {
    store: Arc<Between>,
    here: Fixture,
    there: Arc<Fixture>,
}

fn pair() -> Pair {
    let store = Arc::new(Between::default());
    let there = Arc::new(Fixture::on(store.inner()));
    Pair { here: Fixture::on(store.clone()), store, there }
}

impl Pair {
    /// Has `action` happen on the other server before the next write of this one.
    fn meanwhile<F>(&self, action: impl FnOnce(Arc<Fixture>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.store.before_next_commit(action(Arc::clone(&self.there)));
    }

    #[track_caller]
    fn happened(&self) {
        assert!(self.store.happened(), "nothing was written");
    }

    /// A browser of `alice` in front of a consent form.
    async fn at_consent(&self) -> (Agent<'_>, grantor::record::InteractionId) {
        let mut agent = self.here.agent();
        let asked = agent.authorize(&authorization("web")).await;
        let id = Agent::interaction(&asked);
        agent.login(id, "alice").await;
        (agent, id)
    }
}

async fn disable_alice(there: Arc<Fixture>) {
    there.server.disable_subject(&alice()).await.unwrap();
}

#[tokio::test]
async fn a_user_who_is_disabled_while_tokens_are_made_gets_none() {
    let pair = pair();
    let code = pair.here.code("web").await;
    pair.meanwhile(disable_alice);
    pair.here.redeem("web", &code).await.refused(400, "invalid_grant");
    pair.happened();

    let pair = self::pair();
    let tokens = pair.here.tokens("spa").await;
    pair.meanwhile(disable_alice);
    pair.here.refresh("spa", &tokens.refresh).await.refused(400, "invalid_grant");
    pair.happened();
}

#[tokio::test]
async fn a_client_that_is_disabled_while_tokens_are_made_gets_none() {
    for request in ["code", "refresh", "own", "own at an API"] {
        let pair = pair();
        let (client, form) = match request {
            "code" => ("web", redemption("web", &pair.here.code("web").await)),
            "refresh" => ("spa", refreshing(&pair.here.tokens("spa").await.refresh)),
            "own" => ("machine", machine()),
            _ => ("machine", machine().add("resource", API)),
        };
        pair.meanwhile(async move |there: Arc<Fixture>| {
            there.server.disable_client(&client.into()).await.unwrap();
        });
        pair.here.token(client, &form).await.refused(401, "invalid_client");
        pair.happened();
    }
}

#[tokio::test]
async fn a_code_that_is_redeemed_elsewhere_meanwhile_was_replayed() {
    let pair = pair();
    let code = pair.here.code("web").await;
    let first = code.clone();
    pair.meanwhile(async move |there: Arc<Fixture>| drop(there.redeem("web", &first).await.tokens()));
    pair.here.redeem("web", &code).await.refused(400, "invalid_grant");
    assert_eq!(pair.here.status("web").await, GrantStatus::Ended(EndReason::Replayed));
}

#[tokio::test]
async fn a_token_that_is_refreshed_elsewhere_meanwhile_gets_the_same_successor() {
    let pair = pair();
    let tokens = pair.here.tokens("spa").await;
    let first = tokens.refresh.clone();
    pair.meanwhile(async move |there: Arc<Fixture>| drop(there.refresh("spa", &first).await.tokens()));
    let second = pair.here.refresh("spa", &tokens.refresh).await.tokens();
    assert_eq!(pair.here.grant("spa").await.refresh.unwrap().generation, 1);
    pair.here.refresh("spa", &second.refresh).await.tokens();
}

#[tokio::test]
async fn a_token_that_is_revoked_meanwhile_is_not_refreshed() {
    let pair = pair();
    let tokens = pair.here.tokens("spa").await;
    let first = tokens.refresh.clone();
    pair.meanwhile(async move |there: Arc<Fixture>| {
        assert_eq!(there.revoke("spa", &first).await.status, 200);
    });
    pair.here.refresh("spa", &tokens.refresh).await.refused(400, "invalid_grant");
    assert_eq!(pair.here.status("spa").await, GrantStatus::Ended(EndReason::Revoked));
}

#[tokio::test]
async fn a_revocation_ends_what_was_refreshed_meanwhile() {
    for client in ["spa", "web"] {
        let pair = pair();
        let tokens = pair.here.tokens(client).await;
        let first = tokens.refresh.clone();
        pair.meanwhile(async move |there: Arc<Fixture>| drop(there.refresh(client, &first).await.tokens()));
        assert_eq!(pair.here.revoke(client, &tokens.refresh).await.status, 200);
        pair.happened();
        assert_eq!(pair.here.status(client).await, GrantStatus::Ended(EndReason::Revoked));
    }
}

#[tokio::test]
async fn a_user_who_is_disabled_while_approving_gives_no_code() {
    let pair = pair();
    let (mut agent, id) = pair.at_consent().await;
    pair.meanwhile(disable_alice);
    let answer = agent.approve(id, &scope("read")).await;
    pair.happened();
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
    assert!(pair.here.grants("web").await.is_empty());
}

#[tokio::test]
async fn a_session_that_ends_while_a_code_is_made_makes_none() {
    let pair = pair();
    let (mut agent, id) = pair.at_consent().await;
    let session = agent.browser().session_id().unwrap();
    let end = |there: Arc<Fixture>| async move { there.server.end_session(session).await.unwrap() };
    pair.meanwhile(end);
    let answer = agent.approve(id, &scope("read")).await;
    pair.happened();
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");

    let mut agent = pair.here.agent();
    agent.sign_in("alice").await;
    let session = agent.browser().session_id().unwrap();
    pair.meanwhile(|there| async move { there.server.end_session(session).await.unwrap() });
    let answer = agent.authorize(&authorization("first")).await;
    pair.happened();
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
    assert!(pair.here.grants("first").await.is_empty());
}

#[tokio::test]
async fn a_client_that_is_disabled_while_a_code_is_made_gets_none() {
    let pair = pair();
    let mut agent = pair.here.agent();
    agent.sign_in("alice").await;
    pair.meanwhile(async |there: Arc<Fixture>| there.server.disable_client(&"first".into()).await.unwrap());
    let answer = agent.authorize(&authorization("first")).await;
    pair.happened();
    assert!(answer.is_page() && answer.status == 400, "{answer:?}");
    assert!(pair.here.grants("first").await.is_empty());
}

#[tokio::test]
async fn a_consent_that_is_taken_back_while_it_is_relied_on_gives_no_code() {
    let pair = pair();
    let (mut agent, id) = pair.at_consent().await;
    agent.approve(id, &scope("read write")).await;
    pair.meanwhile(async |there: Arc<Fixture>| {
        there.server.revoke_access(&alice(), &"web".into()).await.unwrap();
    });
    let answer = agent.authorize(&authorization("web")).await;
    pair.happened();
    assert!(Agent::is_at(&answer, "/consent"), "{answer:?}");
    for (_, grant) in pair.here.grants("web").await {
        assert_eq!(grant.status, GrantStatus::Ended(EndReason::Revoked));
    }
}

/// Approves and denies one interaction, one between the reading and the writing of the other.
async fn both_answers(pair: &Pair, approve_first: bool) -> (Answer, bool) {
    let (mut agent, id) = pair.at_consent().await;
    let answer = agent.form(id).await;
    let approve = grantor::authorize::Approve {
        answer: answer.clone(),
        scope: scope("read"),
        browser: agent.browser(),
    };
    let deny = grantor::authorize::Deny { answer, browser: agent.browser() };
    if approve_first {
        pair.meanwhile(|there| async move { drop(there.server.approve(&approve).await.unwrap()) });
        let step = pair.here.server.deny(&deny).await;
        (agent.shown(step), true)
    } else {
        pair.meanwhile(|there| async move { drop(there.server.deny(&deny).await.unwrap()) });
        let step = pair.here.server.approve(&approve).await;
        (agent.shown(step), false)
    }
}

#[tokio::test]
async fn the_first_answer_to_a_question_counts_and_the_second_is_an_error() {
    for approve_first in [true, false] {
        let pair = pair();
        let (second, approved) = both_answers(&pair, approve_first).await;
        assert!(second.is_page() && second.status == 400, "{second:?}");
        assert_eq!(pair.here.grants("web").await.len(), usize::from(approved));
    }
}

#[tokio::test]
async fn a_login_during_which_the_user_or_the_client_is_disabled_gives_neither_session_nor_code() {
    for who in ["user", "client"] {
        let pair = pair();
        let mut agent = pair.here.agent();
        let asked = agent.authorize(&authorization("first")).await;
        pair.meanwhile(async move |there: Arc<Fixture>| match who {
            "user" => disable_alice(there).await,
            _ => there.server.disable_client(&"first".into()).await.unwrap(),
        });
        let answer = agent.login(Agent::interaction(&asked), "alice").await;
        pair.happened();
        assert!(answer.is_page() && answer.status == 400, "{who}: {answer:?}");
        assert!(pair.here.grants("first").await.is_empty(), "{who}");
        assert!(pair.here.server.signed_in(&agent.browser()).await.unwrap().is_none(), "{who}");
    }
    let pair = pair();
    let mut agent = pair.here.agent();
    pair.meanwhile(disable_alice);
    assert_eq!(agent.sign_in("alice").await.status, 400);
    pair.happened();
}
