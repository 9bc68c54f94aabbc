//! What the builder refuses, and that what it is told counts in whatever order.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::clients::{JWT_API, Registry, all};
use common::host::{TestSigner, TestUsers};
use common::{Fixture, machine, scope};
use grantor::AuthorizationServer;
use grantor::endpoint::metadata::Paths;
use grantor::host::{Signer, SignerError, SigningKeyName, StaticResources};
use grantor::jose::Algorithm;
use grantor::profile::{Profile, RefreshRotation};
use grantor::protocol::{GrantType, Issuer, Resource};
use grantor::record::key_ring::PublishedKeys;
use grantor::record::settings::ConfigError;
use grantor::record::{ResourceServer, TokenFormat};
use grantor::server::Builder;
use grantor::store::MemoryStore;

fn builder(issuer: &str) -> Builder {
    let (store, registry) = (Arc::new(MemoryStore::new()), Arc::new(Registry::new(all())));
    AuthorizationServer::builder(Issuer::new(issuer).unwrap(), store, registry, &[1; 32])
        .scope(scope("openid read"))
        .signer(Arc::new(TestSigner::new()))
        .accounts(Arc::new(TestUsers::default()))
}

fn refused(builder: Builder) -> ConfigError {
    builder.build().unwrap_err()
}

#[test]
fn the_order_in_which_a_builder_is_told_does_not_matter() {
    let profile = |builder: Builder| builder.profile(Profile::OidcCompat);
    let others = |builder: Builder| {
        builder
            .grant_types([GrantType::AuthorizationCode])
            .lifetimes(|lifetimes| lifetimes.session = Duration::from_secs(77))
            .lifetimes(|lifetimes| lifetimes.consent = Duration::from_secs(78))
            .refresh(|refresh| refresh.rotation = RefreshRotation::Always)
            .assertions(|assertions| assertions.longest_life = Duration::from_secs(79))
            .max_access_tokens(5)
    };
    let first = others(profile(builder("https://as.example"))).build().unwrap();
    let last = profile(others(builder("https://as.example"))).build().unwrap();
    for settings in [first.settings(), last.settings()] {
        assert_eq!(settings.profile, Profile::OidcCompat);
        assert_eq!(settings.dials, Profile::OidcCompat.dials());
        assert_eq!(settings.response_types, Profile::OidcCompat.dials().response_types);
        assert_eq!(settings.scope, scope("openid read"));
        assert_eq!(settings.grant_types, [GrantType::AuthorizationCode]);
        assert_eq!(settings.lifetimes.session, Duration::from_secs(77));
        assert_eq!(settings.lifetimes.consent, Duration::from_secs(78));
        assert_eq!(settings.refresh.rotation, RefreshRotation::Always);
        assert_eq!(settings.assertions.longest_life, Duration::from_secs(79));
        assert_eq!(settings.max_access_tokens, 5);
    }
}

#[test]
fn a_mistake_fails_at_build_and_names_its_setting() {
    let issuer = "https://as.example";
    let zero = Duration::ZERO;
    for (setting, builder) in [
        ("lifetimes.session", builder(issuer).lifetimes(move |lifetimes| lifetimes.session = zero)),
        ("refresh.retry_window", builder(issuer).refresh(|refresh| refresh.retry_window = Duration::MAX)),
        ("assertions.longest_life", builder(issuer).assertions(move |policy| policy.longest_life = zero)),
        ("grant_types", builder(issuer).grant_types([])),
        ("max_access_tokens", builder(issuer).max_access_tokens(0)),
        ("scope", builder(issuer).signer(Arc::new(grantor::host::NoSigner))),
    ] {
        assert_eq!(refused(builder).setting, setting);
    }
}

#[test]
fn a_path_that_no_router_could_serve_is_refused() {
    type Change = fn(&mut Paths, &str);
    let with = |change: Change, path: &str| {
        let mut paths = Paths::default();
        change(&mut paths, path);
        builder("https://as.example").paths(paths)
    };
    let settings: [(&str, Change); 9] = [
        ("paths.authorize", |paths, path| paths.authorize = path.into()),
        ("paths.token", |paths, path| paths.token = path.into()),
        ("paths.revoke", |paths, path| paths.revoke = path.into()),
        ("paths.introspect", |paths, path| paths.introspect = path.into()),
        ("paths.jwks", |paths, path| paths.jwks = path.into()),
        ("paths.userinfo", |paths, path| paths.userinfo = path.into()),
        ("paths.logout", |paths, path| paths.logout = path.into()),
        ("paths.check_session", |paths, path| paths.check_session = path.into()),
        ("paths.register", |paths, path| paths.register = path.into()),
    ];
    for (setting, change) in settings {
        for path in [
            "",
            "x",
            "//x",
            "/{x}",
            "/x?y",
            "/x#y",
            "/a b",
            "/ä",
            "/%61",
            "/a/../b",
            "/./a",
            "/a\\b",
            "/a\n",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
        ] {
            assert_eq!(refused(with(change, path)).setting, setting, "{path:?}");
        }
        for path in ["/x", "/oauth2/v1.0/x", "/x/", "/a:b@c~d-e_f"] {
            assert!(with(change, path).build().is_ok(), "{path:?}");
        }
    }
}

#[test]
fn no_two_endpoints_share_a_path() {
    let alike = Paths { revoke: "/token".into(), ..Paths::default() };
    assert_eq!(refused(builder("https://as.example").paths(alike)).setting, "paths.revoke");
    let below = Paths { jwks: "/.well-known/openid-configuration".into(), ..Paths::default() };
    assert_eq!(refused(builder("https://as.example/tenant").paths(below)).setting, "paths.jwks");
    let elsewhere = Paths { jwks: "/.well-known/oauth-authorization-server".into(), ..Paths::default() };
    assert!(builder("https://as.example/tenant").paths(elsewhere).build().is_ok());
}

/// A signer that says how long its signatures can be verified.
struct Says(TestSigner, Option<Duration>);

#[async_trait]
impl Signer for Says {
    fn algorithms(&self) -> Vec<Algorithm> {
        self.0.algorithms()
    }

    fn longest_token(&self) -> Option<Duration> {
        self.1
    }

    async fn key(&self, algorithm: Algorithm) -> Result<SigningKeyName, SignerError> {
        self.0.key(algorithm).await
    }

    async fn sign(&self, key: &SigningKeyName, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign(key, message).await
    }

    async fn public_keys(&self) -> Result<Arc<PublishedKeys>, SignerError> {
        self.0.public_keys().await
    }
}

fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

#[test]
fn nothing_signed_is_configured_to_outlive_its_key() {
    let signed_for = |time| builder("https://as.example").signer(Arc::new(Says(TestSigner::new(), time)));
    for (longest, id_token, holds) in [
        (None, hours(24), true),
        (None, hours(25), false),
        (Some(hours(48)), hours(25), false),
        (Some(hours(2)), hours(2), true),
        (Some(hours(2)), hours(3), false),
    ] {
        let built = signed_for(longest).lifetimes(move |lifetimes| lifetimes.id_token = id_token).build();
        assert_eq!(built.is_ok(), holds, "{longest:?} {id_token:?}");
        let built =
            signed_for(longest).lifetimes(move |lifetimes| lifetimes.jwt_access_token = id_token).build();
        assert_eq!(built.is_ok(), holds, "{longest:?} {id_token:?}");
    }
}

#[tokio::test]
async fn a_resource_cannot_make_a_jwt_outlive_its_key() {
    for (longest, expected) in [(None, hours(24)), (Some(hours(2)), hours(2)), (Some(hours(100)), hours(24))]
    {
        for (format, expected) in
            [(TokenFormat::Jwt(Algorithm::Es256), expected), (TokenFormat::Opaque, hours(72))]
        {
            let resource = Resource::parse(JWT_API).unwrap();
            let resource = ResourceServer { resource, format, scope: None, lifetime: Some(hours(72)) };
            let fixture = Fixture::with(|builder| {
                builder
                    .resources(Arc::new(StaticResources::new([resource])))
                    .signer(Arc::new(Says(TestSigner::new(), longest)))
            });
            let tokens = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens();
            assert_eq!(tokens.expires_in, expected.as_secs());
        }
    }
}
