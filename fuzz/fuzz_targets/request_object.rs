//! No request object makes judging it panic, and none is taken that the client did not protect.
#![no_main]

mod world;

use std::sync::LazyLock;

use grantor::client::request_object::{open, verify};
use libfuzzer_sys::fuzz_target;
use world::{CLIENT, World};

static WORLD: LazyLock<World> = LazyLock::new(|| World::new("client_secret_basic"));

fuzz_target!(|input: &str| {
    let (world, cx) = (&*WORLD, WORLD.context());
    let client = world.facts.client(CLIENT).expect("it is known").expect("there is one");
    let Ok(object) = open(input, client, &world.facts, &cx) else { return };
    assert!(verify(&object, client, &world.facts, &cx).is_err());
});
