//! One record of each kind, with every field in use.

use std::sync::Arc;

use crate::jose::{Algorithm, Jwk};
use crate::protocol::{
    ClientId, Digest, GrantType, Locales, Resource, ResponseMode, ResponseType, Scope, SubjectId, Timestamp,
};
use crate::record::backchannel::AskedUser;
use crate::record::claims_request::ClaimWish;
use crate::record::client::{ClientSecret, SealedSecret, SecretVerifier};
use crate::record::consent::ConsentEntry;
use crate::record::exchange::{Actor, Exchanged, Principal, Root, RootSource, RootToken};
use crate::record::grant::{
    AccessToken, Authentication, GrantStatus, GrantSubject, JwtLedger, Nonce, Redeemable, RefreshState,
    Retry, TagKey,
};
use crate::record::interaction::{InteractReason, PageHints, Pending, PendingRequest, SignedIn};
use crate::record::key_ring::SealedKey;
use crate::record::outbox::{Message, Outbox};
use crate::record::registration::UpdateRetry;
use crate::record::{
    ClaimsRequest, Consent, Grant, GrantId, Id, InitialAccess, Interaction, KeyRing, Kind, Poll, Record,
    RegisteredClient, Session, SessionId, Standing, UserCodeEntry,
};

const NOW: Timestamp = Timestamp(1_800_000_000);
const LATER: Timestamp = Timestamp(1_800_000_600);

/// A record of this kind with every field in use: what a store has to give back as it was.
#[must_use]
pub fn sample(kind: Kind) -> Record {
    match kind {
        Kind::Grant => Record::Grant(grant()),
        Kind::Session => Record::Session(session()),
        Kind::Subject => Record::Subject(Standing { disabled: true, epoch: 3 }),
        Kind::ClientState => Record::ClientState(Standing { disabled: false, epoch: 4 }),
        Kind::Consent => Record::Consent(consent()),
        Kind::Interaction => Record::Interaction(interaction(Some(Arc::from("a state")))),
        Kind::RevokedToken => Record::RevokedToken,
        Kind::KeyRing => Record::KeyRing(key_ring()),
        Kind::UsedJti => Record::UsedJti,
        Kind::Outbox => Record::Outbox(outbox()),
        Kind::Client => Record::Client(registered_client()),
        Kind::InitialAccess => Record::InitialAccess(initial_access()),
        Kind::UserCode => Record::UserCode(UserCodeEntry { grant: GrantId(Id([5; 16])) }),
        Kind::Poll => Record::Poll(Poll { polled_at: NOW, interval: 10 }),
    }
}

/// An interaction whose `state` is `text`.
pub(super) fn with_text(text: &str) -> Record {
    Record::Interaction(interaction(Some(Arc::from(text))))
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap_or_else(|_| Scope::empty())
}

fn resources() -> Vec<Resource> {
    ["https://api.example/", "https://files.example/v1"]
        .iter()
        .filter_map(|uri| Resource::parse(uri).ok())
        .collect()
}

fn subject() -> SubjectId {
    SubjectId::from("248289761001")
}

fn client() -> ClientId {
    ClientId::from("s6BhdRkqt3")
}

fn authentication() -> Authentication {
    Authentication {
        auth_time: NOW,
        acr: Some(Arc::from("urn:mace:incommon:iap:silver")),
        amr: vec![Arc::from("pwd"), Arc::from("otp")],
    }
}

fn claims() -> ClaimsRequest {
    let wish = ClaimWish { essential: true, values: vec!["urn:mace:incommon:iap:silver".into()] };
    ClaimsRequest {
        id_token: [("acr".to_owned(), wish)].into(),
        userinfo: [("email".to_owned(), ClaimWish::default())].into(),
        locales: Locales::parse("de-CH en"),
    }
}

fn grant() -> Grant {
    Grant {
        status: GrantStatus::Active,
        grant_type: GrantType::AuthorizationCode,
        created_at: NOW,
        client: client(),
        client_epoch: 1,
        subject: Some(GrantSubject { id: subject(), epoch: 2, authentication: authentication() }),
        session: Some(SessionId(Id([5; 16]))),
        offline: true,
        asked: Some(Box::new(AskedUser {
            subject: subject(),
            binding_message: Some(Arc::from("W4SCT")),
            acr_values: Some(Arc::from("urn:mace:incommon:iap:silver")),
            ping: Some(SealedSecret(Box::from(*b"sealed"))),
        })),
        scope: scope("openid profile offline_access"),
        resources: resources(),
        redeemable: Some(Box::new(Redeemable {
            digest: Digest::of(b"code"),
            valid_until: LATER,
            spent: true,
            redirect_uri: Some(Arc::from("https://client.example/callback?a=b")),
            redirect_uri_named: true,
            code_challenge: Some(Digest::of(b"verifier")),
            nonce: Some(Arc::from("n-0S6_WzA2Mj")),
        })),
        refresh: Some(Box::new(RefreshState {
            generation: 7,
            digest: Digest::of(b"refresh"),
            tag_key: TagKey(Id([6; 16])),
            idle_until: LATER,
            valid_until: LATER,
            retry: Some(Retry { nonce: Nonce(Id([8; 16])), rotated_at: NOW, uses: 2 }),
        })),
        access: (0..3_u8)
            .map(|n| AccessToken {
                digest: Digest::of(&[n]),
                scope: scope("profile"),
                audience: resources(),
                issued_at: NOW,
                valid_until: LATER,
            })
            .collect(),
        claims: Some(Box::new(claims())),
        jwts: Some(Box::new(JwtLedger { next: 9, floor: 2, revoked: vec![3, 5], valid_until: LATER })),
        exchange: Some(Box::new(exchanged())),
    }
}

fn exchanged() -> Exchanged {
    let source = RootSource::Grant(GrantId(Id([4; 16])));
    let foreign = Principal::Foreign {
        issuer: Arc::from("https://idp.example"),
        subject: Arc::from("admin@idp.example"),
    };
    Exchanged {
        root: Some(Root { source, client: client(), client_epoch: 6, token: Some(RootToken::Jwt(7)) }),
        valid_until: LATER,
        actors: vec![Principal::Client(ClientId::from("shop-api")), foreign],
        actor: Some(Actor { principal: Principal::Client(ClientId::from("shop-api")), epoch: 8 }),
        may_act: Some(Principal::Subject(subject())),
    }
}

fn session() -> Session {
    Session {
        digest: Digest::of(b"cookie"),
        subject: subject(),
        subject_epoch: u64::MAX,
        authentication: authentication(),
        valid_until: LATER,
        clients: vec![client()],
    }
}

fn outbox() -> Outbox {
    Outbox {
        client: client(),
        message: Message::Logout { subject: subject(), session: SessionId(Id([5; 16])) },
        attempts: 2,
        due_at: NOW,
        valid_until: LATER,
    }
}

fn registered_client() -> RegisteredClient {
    let metadata = serde_json::json!({
        "client_id": "s6BhdRkqt3",
        "client_name": "An \"example\"",
        "client_name#ja-Jpan-JP": "クライアント名",
        "redirect_uris": ["https://client.example/callback"],
        "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]},
        "default_max_age": 300,
        "require_auth_time": true,
    });
    let secret = |verifier| ClientSecret { verifier, expires_at: Some(LATER) };
    RegisteredClient {
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        secrets: vec![
            secret(SecretVerifier::Digest(Digest::of(b"secret"))),
            secret(SecretVerifier::Argon2("$argon2id$".into())),
            secret(SecretVerifier::Sealed(SealedSecret(Box::new([0, 127, 255])))),
        ],
        token_digest: Digest::of(b"registration"),
        issued_at: NOW,
        valid_until: Some(LATER),
        introduced_by: Some("the build farm".to_owned()),
        retry: Some(UpdateRetry { nonce: Nonce(Id([9; 16])), updated_at: NOW }),
    }
}

fn initial_access() -> InitialAccess {
    InitialAccess {
        digest: Digest::of(b"initial access"),
        name: "the build farm".to_owned(),
        valid_until: LATER,
        uses_left: Some(7),
    }
}

fn consent() -> Consent {
    let entry = |redirect_uri: &str, resources| ConsentEntry {
        redirect_uri: Arc::from(redirect_uri),
        resources,
        scope: scope("email openid"),
        given_at: NOW,
        valid_until: LATER,
    };
    Consent {
        entries: vec![
            entry("https://client.example/callback", resources()),
            entry("com.example.app:/callback", Vec::new()),
        ],
    }
}

fn interaction(state: Option<Arc<str>>) -> Interaction {
    Interaction {
        browser: Digest::of(b"browser"),
        request: Pending::Authorization(Box::new(PendingRequest {
            client: client(),
            redirect_uri: Arc::from("https://client.example/callback"),
            redirect_uri_named: true,
            response_type: ResponseType::CodeIdToken,
            response_mode: ResponseMode::FormPost,
            state,
            scope: scope("openid"),
            resources: resources(),
            code_challenge: Some(Digest::of(b"verifier")),
            nonce: Some(Arc::from("n-0S6_WzA2Mj")),
            claims: Some(Box::new(claims())),
            subject: Some(subject()),
            signed_in_since: Some(Timestamp(1_700_000_000)),
            ask: true,
            hints: Some(Box::new(PageHints {
                login_hint: Some(Arc::from("alice@example.com")),
                ..PageHints::default()
            })),
        })),
        reason: InteractReason::Step,
        step: Some(Arc::from("terms")),
        login: Some(SignedIn {
            subject: subject(),
            subject_epoch: 2,
            authentication: authentication(),
            session: Some(SessionId(Id([5; 16]))),
        }),
        valid_until: LATER,
    }
}

fn key_ring() -> KeyRing {
    // The public key of RFC 7515 appendix A.3.1.
    let public = Jwk::from_value(&serde_json::json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }));
    let Ok(public) = public else { return KeyRing::default() };
    let key = |kid: &str, retired_at| SealedKey {
        kid: kid.to_owned(),
        alg: Algorithm::Es256.into(),
        public: public.clone(),
        sealed: "c2VhbGVk".to_owned(),
        published_at: NOW,
        signs_from: LATER,
        retired_at,
    };
    KeyRing { keys: vec![key("first", Some(LATER)), key("second", None)] }
}
