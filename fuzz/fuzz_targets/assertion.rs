//! No client assertion makes judging it panic, and none that the client did not make lets anyone in.
#![no_main]

mod world;

use std::sync::LazyLock;

use grantor::client::Credentials;
use grantor::protocol::Params;
use grantor::record::{Halt, Need};
use libfuzzer_sys::fuzz_target;
use world::{CLIENT, World};

static WORLDS: LazyLock<[World; 2]> =
    LazyLock::new(|| ["private_key_jwt", "client_secret_jwt"].map(World::new));

fuzz_target!(|input: &str| {
    let pairs = [
        ("client_id", CLIENT),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", input),
    ];
    let Ok(credentials) = Credentials::read(None, &Params::from_pairs(pairs)) else { return };
    for world in &*WORLDS {
        // Whoever is let in claims the identifier of the assertion first.
        match credentials.authenticate(&world.facts, &world.context()) {
            Ok(_) | Err(Halt::Need(Need::Claim { .. })) => panic!("a forgery"),
            Err(_) => {}
        }
    }
});
