//! A request that waits for the user in a browser.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::claims_request::ClaimsRequest;
use super::grant::Authentication;
use super::key::{GrantId, SessionId};
use crate::protocol::{ClientId, Digest, Resource, ResponseMode, ResponseType, Scope, SubjectId, Timestamp};

/// The request as it was validated, and how far the user has come. Nothing the browser sends later changes the
/// request. The interaction ends by being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interaction {
    /// Digest of the cookie of the browser it belongs to.
    pub browser: Digest,
    /// What was asked.
    pub request: Pending,
    /// What the user is needed for while nobody has signed in for it.
    #[serde(default, skip_serializing_if = "InteractReason::is_login")]
    pub reason: InteractReason,
    /// The step of the host's own that the user is needed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Arc<str>>,
    /// Who has signed in for it; `None` while the user still has to.
    pub login: Option<SignedIn>,
    /// Until when it can be completed.
    pub valid_until: Timestamp,
}

/// What waits for the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pending {
    /// An authorization request.
    Authorization(Box<PendingRequest>),
    /// A device, whose user code was entered.
    Device(PendingDevice),
}

/// A grant that a device waits for. What was asked stands in the grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingDevice {
    /// Who asks.
    pub client: ClientId,
    /// What it waits for.
    pub grant: GrantId,
}

impl Pending {
    /// Who asks.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        match self {
            Self::Authorization(request) => &request.client,
            Self::Device(device) => &device.client,
        }
    }
}

/// Who is signed in while an interaction goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIn {
    /// Who.
    pub subject: SubjectId,
    /// The subject's epoch at that time.
    pub subject_epoch: u64,
    /// How and when.
    pub authentication: Authentication,
    /// The session it happened in; `None` where the host keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// What the user is needed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InteractReason {
    /// To sign in, or to sign in again.
    #[default]
    Login,
    /// To choose who to go on as (`prompt=select_account`, OpenID Connect Core §3.1.2.1).
    SelectAccount,
    /// To create an account (`prompt=create`, Initiating User Registration via OpenID Connect §4.1).
    Create,
    /// To do what else the host requires first.
    Step,
    /// To allow what is asked.
    Consent,
}

const fn code() -> ResponseType {
    ResponseType::Code
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_code(response_type: &ResponseType) -> bool {
    *response_type == ResponseType::Code
}

impl InteractReason {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    fn is_login(&self) -> bool {
        *self == Self::Login
    }
}

/// What the client would like the host's pages to know (OpenID Connect Core §3.1.2.1). Nothing here is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageHints {
    /// `login_hint`: who the user may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<Arc<str>>,
    /// `display`: `page`, `popup`, `touch` or `wap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Arc<str>>,
    /// `ui_locales`: languages of the pages, by preference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<Arc<str>>,
    /// `acr_values`: how the user should sign in, by preference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr_values: Option<Arc<str>>,
}

/// A validated authorization request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingRequest {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes: the URI as it was presented, verified against the registration.
    pub redirect_uri: Arc<str>,
    /// Whether the request named it; if not, it is the only one registered.
    pub redirect_uri_named: bool,
    /// What is answered.
    #[serde(default = "code", skip_serializing_if = "is_code")]
    pub response_type: ResponseType,
    /// How the answer travels.
    pub response_mode: ResponseMode,
    /// `state`, echoed as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Arc<str>>,
    /// The scope that could be granted.
    pub scope: Scope,
    /// The resources asked for, sorted; empty means the issuer itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// The S256 code challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<Digest>,
    /// `nonce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Arc<str>>,
    /// The claims asked for one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Box<ClaimsRequest>>,
    /// The only user who may answer, where the client named one that it knows: by the name that the client has for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// The earliest time at which whoever answers may have signed in: `max_age` before the request came, or just then for
    /// `prompt=login`; and a little earlier, for clocks that differ. Counted from the request, since a short one would never end
    /// else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_since: Option<Timestamp>,
    /// Whether the user is asked whatever was allowed before (`prompt=consent`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ask: bool,
    /// For the host's pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints: Option<Box<PageHints>>,
}
