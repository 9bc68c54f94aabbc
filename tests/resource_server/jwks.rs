//! Keys that change, cannot be had, or are not what they should be.

use std::time::Duration;

use grantor::jose::Algorithm;
use grantor::protocol::Reason;
use serde_json::json;

use crate::support::{Answer, START, Server, World, key, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_ask_at_once_the_keys_are_fetched_once() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing]).delayed(Duration::from_millis(50))).await;
    let (world, token) = (std::sync::Arc::new(world), token(&signing));
    let mut checks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (world, token) = (world.clone(), token.clone());
        checks.spawn(async move { world.status(&token).await });
    }
    assert!(checks.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_by_its_unknown_kid_with_one_fetch() {
    let (old, new) = (key(Algorithm::Es256), key(Algorithm::Es256));
    let world = World::new(Answer::keys(&[&old])).await;
    assert_eq!(world.status(&token(&old)).await, 200);
    world.clock.advance(10);
    world.server.say(Answer::keys(&[&old, &new]));
    assert_eq!(world.status(&token(&new)).await, 200);
    assert_eq!(world.status(&token(&old)).await, 200);
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test]
async fn unknown_kids_cause_no_more_than_one_fetch_in_ten_seconds() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing])).await;
    for second in 0..60 {
        for _ in 0..5 {
            assert_eq!(world.status(&token(&key(Algorithm::Es256))).await, 401);
        }
        assert_eq!(world.server.requests(), 1 + second / 10);
        world.clock.advance(1);
    }
    assert_eq!(world.status(&token(&signing)).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_unknown_kids_at_once_cause_one_fetch() {
    let (old, new) = (key(Algorithm::Es256), key(Algorithm::Es256));
    let world = std::sync::Arc::new(World::new(Answer::keys(&[&old])).await);
    assert_eq!(world.status(&token(&old)).await, 200);
    world.clock.advance(10);
    world.server.say(Answer::keys(&[&new]).delayed(Duration::from_millis(50)));
    let (mut checks, token) = (tokio::task::JoinSet::new(), token(&new));
    for _ in 0..50 {
        let (world, token) = (world.clone(), token.clone());
        checks.spawn(async move { world.status(&token).await });
    }
    assert!(checks.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test]
async fn max_age_is_honoured_between_one_and_fifteen_minutes() {
    let cases = [
        ("Cache-Control: max-age=120", 120),
        ("cache-control: public, MAX-AGE=\"300\", must-revalidate", 300),
        ("Cache-Control: max-age=0", 60),
        ("Cache-Control: no-store", 60),
        ("Cache-Control: max-age=600, no-cache", 60),
        ("Cache-Control: max-age=31536000", 900),
        ("Cache-Control: max-age=99999999999999999999", 300),
        ("Cache-Control: max-age=-1", 300),
        ("Cache-Control: s-maxage=7", 300),
        ("X-Nothing: said", 300),
    ];
    let signing = key(Algorithm::Es256);
    for (header, seconds) in cases {
        let world = World::new(Answer::keys(&[&signing]).header(header)).await;
        assert_eq!(world.status(&token(&signing)).await, 200);
        world.clock.advance(seconds - 1);
        assert_eq!(world.status(&token(&signing)).await, 200);
        assert_eq!(world.server.requests(), 1, "{header}");
        world.clock.advance(1);
        assert_eq!(world.status(&token(&signing)).await, 200);
        assert_eq!(world.server.requests(), 2, "{header}");
    }
}

#[tokio::test]
async fn old_keys_serve_while_the_issuer_is_down_but_not_for_ever() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing])).await;
    assert_eq!(world.status(&token(&signing)).await, 200);
    world.server.say(Answer::status(503));
    world.clock.advance(300 + 3599);
    assert_eq!(world.status(&token(&signing)).await, 200);
    world.clock.advance(1);
    assert_eq!(world.status(&token(&signing)).await, 503);
    world.server.say(Answer::keys(&[&signing]));
    assert_eq!(world.status(&token(&signing)).await, 503, "the pause after a failure");
    world.clock.advance(10);
    assert_eq!(world.status(&token(&signing)).await, 200);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_asked_every_ten_seconds_and_no_more() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::status(500)).await;
    for second in 0..30 {
        for _ in 0..5 {
            assert_eq!(
                world.check(&token(&signing)).await.unwrap_err().reason(),
                Reason::VerificationUnavailable
            );
        }
        assert_eq!(world.server.requests(), 1 + second / 10);
        world.clock.advance(1);
    }
}

#[tokio::test]
async fn a_new_key_that_cannot_be_fetched_is_unavailable_and_not_invalid() {
    let (old, new) = (key(Algorithm::Es256), key(Algorithm::Es256));
    let world = World::new(Answer::keys(&[&old])).await;
    assert_eq!(world.status(&token(&old)).await, 200);
    world.clock.advance(10);
    world.server.say(Answer::status(503));
    assert_eq!(world.status(&token(&new)).await, 503);
    assert_eq!(world.status(&token(&old)).await, 200);
}

#[tokio::test]
async fn a_withdrawn_key_is_trusted_no_longer_than_its_set_is_fresh() {
    let (old, new) = (key(Algorithm::Es256), key(Algorithm::Es256));
    let world = World::new(Answer::keys(&[&old]).header("Cache-Control: max-age=60")).await;
    assert_eq!(world.status(&token(&old)).await, 200);
    world.server.say(Answer::keys(&[&new]));
    world.clock.advance(60);
    assert_eq!(world.status(&token(&old)).await, 401);
}

#[tokio::test]
async fn what_is_no_key_set_is_never_used_and_never_replaces_one() {
    let signing = key(Algorithm::Es256);
    let public = serde_json::to_value(signing.public()).unwrap();
    let mut private = public.clone();
    private["d"] = json!("AAAA");
    let target = Server::start(Answer::keys(&[&signing])).await;
    let padded = |bytes| format!(r#"{{"keys":[{public}],"pad":"{}"}}"#, "x".repeat(bytes));
    let html = Answer { headers: "Content-Type: text/html\r\n".into(), ..Answer::keys(&[&signing]) };
    let bad = [
        ("huge", Answer::json(padded(256 * 1024))),
        ("101 keys", Answer::json(json!({ "keys": vec![json!({ "kty": "x" }); 101] }).to_string())),
        ("private member", Answer::json(json!({ "keys": [private] }).to_string())),
        ("two keys of one name", Answer::json(json!({ "keys": [public, public] }).to_string())),
        ("no keys", Answer::json(r#"{"keys":[]}"#)),
        ("no array", Answer::json(r#"{"keys":{}}"#)),
        ("a list", Answer::json("[]")),
        ("half", Answer::json(padded(0).split_at(60).0)),
        ("nothing", Answer::json("")),
        ("HTML", html),
        ("404", Answer { status: 404, ..Answer::keys(&[&signing]) }),
        (
            "redirect",
            Answer { status: 302, ..Answer::keys(&[&signing]) }
                .header(&format!("Location: {}", target.url("/"))),
        ),
        ("slow", Answer::keys(&[&signing]).delayed(Duration::from_secs(4))),
    ];
    for (what, answer) in bad {
        let world = World::new(answer.clone()).await;
        assert_eq!(world.status(&token(&signing)).await, 503, "{what} at first");
        let world = World::new(Answer::keys(&[&signing])).await;
        assert_eq!(world.status(&token(&signing)).await, 200);
        world.server.say(answer);
        world.clock.advance(300);
        assert_eq!(world.status(&token(&signing)).await, 200, "{what} later");
        assert_eq!(world.server.requests(), 2);
    }
    assert_eq!(target.requests(), 0);
    let world = World::new(Answer::json(padded(250 * 1024))).await;
    assert_eq!(world.status(&token(&signing)).await, 200, "within the limit");
}

#[tokio::test]
async fn one_who_gives_up_fetching_leaves_it_to_the_next() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing]).delayed(Duration::from_millis(100))).await;
    let token = token(&signing);
    let (given_up, status) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(20), world.keys.keys()),
        world.status(&token)
    );
    assert!(given_up.is_err());
    assert_eq!((status, world.server.requests()), (200, 2));

    // So it is where the keys are there, and one of them is new.
    let new = key(Algorithm::Es256);
    world.clock.advance(10);
    world.server.say(Answer::keys(&[&new]).delayed(Duration::from_millis(100)));
    let new = self::token(&new);
    let (given_up, status) =
        tokio::join!(tokio::time::timeout(Duration::from_millis(20), world.status(&new)), world.status(&new));
    assert!(given_up.is_err());
    assert_eq!((status, world.server.requests()), (200, 4));
}

#[tokio::test]
async fn a_clock_that_goes_back_fetches_again_and_then_goes_on() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing])).await;
    world.clock.set(START + 1000);
    assert_eq!(world.status(&token(&signing)).await, 200);
    world.clock.set(START);
    assert_eq!(world.status(&token(&signing)).await, 200);
    assert_eq!(world.status(&token(&signing)).await, 200);
    assert_eq!(world.server.requests(), 2);
}
