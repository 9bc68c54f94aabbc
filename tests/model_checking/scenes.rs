//! What there is when several requests come at once, and the requests.

use grantor::authorize::{Approve, Deny};
use grantor::endpoint::administration::{Party, StandingChange};
use grantor::protocol::{ApplicationType, RedirectUri};
use grantor::record::logout::LogoutUri;

use super::common::clients::JWT_API;
use super::common::devices::Devices as _;
use super::common::flows::{ACCESS, asserting, exchanging, logout, revoke, token};
use super::common::foreign::{stated, statement};
use super::common::stage::{Deed, Stage};
use super::common::{alice, authorization, form, machine, redemption, refreshing};

/// Requests, by what they are called in a failure, and the access tokens that were issued before.
pub(crate) type Requests = (Vec<(&'static str, Deed)>, Vec<String>);

fn off(client: &'static str) -> Deed {
    Deed::Change(Party::Client(client.into()), StandingChange::Disable)
}

fn without_alice() -> Deed {
    Deed::Change(Party::Subject(alice()), StandingChange::Disable)
}

/// A code that was not redeemed yet.
pub(crate) async fn code(stage: &Stage) -> Requests {
    let mut agent = stage.fixture.agent();
    let answer = agent.walk(&authorization("spa").set("scope", "openid read"), "alice").await;
    let redeem = token("spa", redemption("spa", &answer.param("code").unwrap()));
    let deeds = vec![
        ("redeem", redeem),
        ("end the grant", Deed::RevokeGrant(stage.last_grant("spa").await)),
        ("end the session", Deed::EndSession(agent.browser().session_id().unwrap())),
        ("take access back", Deed::RevokeAccess("spa".into())),
        ("disable the user", without_alice()),
        ("disable the client", off("spa")),
    ];
    (deeds, vec![])
}

/// A family of refresh tokens that was rotated twice.
pub(crate) async fn rotating(stage: &Stage) -> Requests {
    let (first, id_token, agent) = stage.id_token("spa").await;
    let second = stage.fixture.refresh("spa", &first.refresh).await.tokens();
    let third = stage.fixture.refresh("spa", &second.refresh).await.tokens();
    let deeds = vec![
        ("refresh", token("spa", refreshing(&third.refresh))),
        ("refresh with the last one", token("spa", refreshing(&second.refresh))),
        ("replay", token("spa", refreshing(&first.refresh))),
        ("exchange", token("machine", exchanging(ACCESS, &third.access))),
        ("revoke the access token", revoke("spa", &third.access)),
        ("revoke the refresh token", revoke("spa", &third.refresh)),
        ("log out", logout(&agent, &id_token)),
        ("disable the user", without_alice()),
        ("disable the client", off("spa")),
    ];
    (deeds, vec![first.access, second.access, third.access])
}

/// A refresh token that stays the same, and the code that it came with.
pub(crate) async fn staying(stage: &Stage) -> Requests {
    let mut agent = stage.fixture.agent();
    let answer = agent.walk(&authorization("web"), "alice").await;
    let redeem = redemption("web", &answer.param("code").unwrap());
    let tokens = stage.fixture.token("web", &redeem).await.tokens();
    let deeds = vec![
        ("refresh", token("web", refreshing(&tokens.refresh))),
        ("redeem again", token("web", redeem)),
        ("revoke the access token", revoke("web", &tokens.access)),
        ("revoke the refresh token", revoke("web", &tokens.refresh)),
        ("introspect", Deed::Post("web", "/introspect", form([("token", &tokens.access)]))),
        ("end the grant", Deed::RevokeGrant(stage.last_grant("web").await)),
        ("disable the client", off("web")),
    ];
    (deeds, vec![tokens.access])
}

/// The same when all of it may be forgotten.
pub(crate) async fn forgotten(stage: &Stage) -> Requests {
    let first = stage.tokens("spa", &[]).await;
    let second = stage.fixture.refresh("spa", &first.refresh).await.tokens();
    stage.fixture.clock.forward(31 * 24 * 3600);
    let deeds = vec![
        ("purge", Deed::Purge),
        ("refresh", token("spa", refreshing(&second.refresh))),
        ("replay", token("spa", refreshing(&first.refresh))),
        ("revoke", revoke("spa", &second.refresh)),
        ("act alone", token("machine", machine())),
    ];
    (deeds, vec![second.access])
}

/// A device, for which two users are asked.
pub(crate) async fn device(stage: &Stage) -> Requests {
    let device = stage.fixture.device_for("spa", &form([("scope", "read")])).await;
    let approve = stage.asked_about(&device, "alice").await;
    let Approve { answer, browser, .. } = stage.asked_about(&device, "bob").await;
    let deeds = vec![
        ("allow", Deed::Approve(approve)),
        ("refuse", Deed::Deny(Deny { answer, browser })),
        ("poll", token("spa", device.polling())),
        ("disable the user", without_alice()),
        ("disable the client", off("spa")),
    ];
    (deeds, vec![])
}

/// A device that was let in.
pub(crate) async fn device_let_in(stage: &Stage) -> Requests {
    let device = stage.fixture.device_for("spa", &form([("scope", "read")])).await;
    stage.must(&Deed::Approve(stage.asked_about(&device, "alice").await)).await;
    let deeds = vec![
        ("poll", token("spa", device.polling())),
        ("end the grant", Deed::RevokeGrant(stage.last_grant("spa").await)),
        ("disable the user", without_alice()),
    ];
    (deeds, vec![])
}

/// A user whom a client asks for.
pub(crate) async fn asked(stage: &Stage) -> Requests {
    let polling = stage.asked("machine").await;
    let deeds = vec![
        ("allow", stage.answering(true)),
        ("refuse", stage.answering(false)),
        ("poll", token("machine", polling)),
        ("disable the user", without_alice()),
        ("disable the client", off("machine")),
    ];
    (deeds, vec![])
}

/// A user whom a client asks for that is sent its tokens.
pub(crate) async fn asked_for_tokens(stage: &Stage) -> Requests {
    stage.asked("post").await;
    (vec![("allow", stage.answering(true)), ("refuse", stage.answering(false))], vec![])
}

/// A session whose client is told of its end.
pub(crate) async fn session(stage: &Stage) -> Requests {
    let uri = RedirectUri::parse("https://client.example/logout", ApplicationType::Web).unwrap();
    stage.fixture.clients.change("web", |client| {
        client.logout.backchannel = Some(LogoutUri { uri, session_required: true });
    });
    let (tokens, id_token, agent) = stage.id_token("web").await;
    let deeds =
        vec![("refresh", token("web", refreshing(&tokens.refresh))), ("log out", logout(&agent, &id_token))];
    (deeds, vec![tokens.access])
}

/// A consent form.
pub(crate) async fn consent(stage: &Stage) -> Requests {
    let approve = stage.at_consent("code token").await;
    let (answer, browser) = (approve.answer.clone(), approve.browser.clone());
    let session = browser.session_id().unwrap();
    let deeds = vec![
        ("allow", Deed::Approve(approve)),
        ("refuse", Deed::Deny(Deny { answer, browser })),
        ("end the session", Deed::EndSession(session)),
        ("disable the user", without_alice()),
        ("disable the client", off("web")),
    ];
    (deeds, vec![])
}

/// A client that acts for itself, and one that presents what another issuer says.
pub(crate) async fn direct(stage: &Stage) -> Requests {
    let held = stage.fixture.token("machine", &machine()).await.tokens().access;
    let jwt = machine().add("resource", JWT_API);
    let own = stage.fixture.token("machine", &jwt).await.tokens().access;
    let deeds = vec![
        ("act alone", token("machine", machine())),
        ("assert", token("machine", asserting(&stated(&statement())))),
        ("exchange", token("web", exchanging(ACCESS, &own))),
        ("revoke a token", revoke("machine", &held)),
        ("revoke a JWT", revoke("machine", &own)),
        ("disable the client", off("machine")),
        ("disable the user", without_alice()),
    ];
    (deeds, vec![held, own])
}
