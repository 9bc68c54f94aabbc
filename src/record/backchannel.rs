//! Client-initiated backchannel authentication: what a client registered, whom it means, and what that user is asked
//! (OpenID Connect Client-Initiated Backchannel Authentication Flow).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::client::SealedSecret;
use super::key::GrantId;
use crate::jose::Algorithm;
use crate::protocol::{ClientId, DeliveryMode, Resource, Scope, Secret, SubjectId, Timestamp};

/// What a client registered (CIBA Core §4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackchannelRegistration {
    /// `backchannel_token_delivery_mode`: how it learns of the answer; `None` of a client that does not ask in this way.
    pub mode: Option<DeliveryMode>,
    /// `backchannel_client_notification_endpoint`: where it is told, in the modes in which it is.
    pub endpoint: Option<Url>,
    /// `backchannel_authentication_request_signing_alg`: how it signs its requests; `None` of a client that does not, and
    /// every other signs them all.
    pub signing_alg: Option<Algorithm>,
    /// `backchannel_user_code_parameter`: whether it asks its users for their user codes.
    pub user_code: bool,
}

/// Whom a client means (CIBA Core §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserHint {
    /// `login_hint`: whatever the host takes for a name.
    Login(String),
    /// `login_hint_token`: a token that the host can read.
    Token(Secret),
    /// The subject of an `id_token_hint` that this server issued to the client.
    Subject(SubjectId),
}

/// What the host is asked before its user is: who is meant, and whether that user may be asked this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEnquiry {
    /// Who asks.
    pub client: ClientId,
    /// Whom it means.
    pub hint: UserHint,
    /// `user_code`: a secret of the user's, without which some may not be disturbed (CIBA Core §7.1.2).
    pub user_code: Option<Secret>,
    /// `binding_message`, at most 100 printable ASCII characters.
    pub binding_message: Option<Arc<str>>,
    /// `acr_values`: how the user should sign in, by preference.
    pub acr_values: Option<Arc<str>>,
    /// `request_context`: what the client knows that could tell a fraud, such as where the user is (FAPI-CIBA §5.3). It is not
    /// kept.
    pub context: Option<Map<String, Value>>,
    /// What is asked.
    pub scope: Scope,
}

/// What the host says to an enquiry (CIBA Core §13).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identified {
    /// This user is meant, and may be asked.
    User(SubjectId),
    /// Nobody is known by that hint.
    Unknown,
    /// The `login_hint_token` has expired.
    HintExpired,
    /// The user has a user code, and none was sent.
    UserCodeMissing,
    /// The user code is not the user's.
    UserCodeWrong,
    /// The binding message cannot be shown.
    BindingMessageUnfit,
    /// The user, or the host, wants no such requests.
    Refused,
}

/// The user whom a grant waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedUser {
    /// Who.
    pub subject: SubjectId,
    /// `binding_message`: shown on both devices, so that the user can tell what belongs together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_message: Option<Arc<str>>,
    /// `acr_values`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr_values: Option<Arc<str>>,
    /// `client_notification_token`, sealed: with it the client is told what the user has answered. No host sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<SealedSecret>,
}

/// What a user is asked on a device of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserQuestion {
    /// What is decided: goes into the [answer](crate::endpoint::backchannel_answer::DecideAuthentication).
    pub grant: GrantId,
    /// Who asks.
    pub client: ClientId,
    /// Who is asked, and what is shown.
    pub user: AskedUser,
    /// What is asked for.
    pub scope: Scope,
    /// For which resources.
    pub resources: Vec<Resource>,
    /// Until when the user can answer.
    pub valid_until: Timestamp,
}
