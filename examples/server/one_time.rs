//! A grant type of this host's own: a user types their password, and a one-time password off their authenticator (TOTP,
//! RFC 6238), into a program without a browser. Six digits alone could be guessed.
//!
//! ```text
//! grant_type=urn:example:grant-type:one-time-password&username=alice&password=…&one_time_password=123456
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use grantor::grant::extension::refused;
use grantor::host::{Clock as _, ExtensionGrant};
use grantor::protocol::{ExtensionGrantType, OAuthError, Reason, Secret, SubjectId, Timestamp};
use grantor::record::extension::{ExtensionRequest, Permission};
use grantor::record::facts::Claim;
use grantor::record::grant::{AuthenticatedSubject, Authentication};
use grantor::record::{Context, Facts, Halt};
use grantor::store::StoreError;
use serde_json::{Value, json};

use crate::clock::DemoClock;
use crate::throttle::Throttle;
use crate::users::Users;

/// The name of the grant type.
const GRANT_TYPE: &str = "urn:example:grant-type:one-time-password";
/// How long after its time step a one-time password could still be taken, in seconds.
const LATEST: u64 = 90;

/// The name of the grant type.
pub(crate) fn grant_type() -> Result<ExtensionGrantType, String> {
    ExtensionGrantType::new(GRANT_TYPE).ok_or_else(|| format!("{GRANT_TYPE} is no name for a grant type"))
}

/// Knows whose one-time passwords are right.
pub(crate) struct OneTimePasswords {
    pub(crate) users: Arc<Users>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) clock: Arc<DemoClock>,
}

#[async_trait]
impl ExtensionGrant for OneTimePasswords {
    /// Asks whether the passwords are right, and then takes the one-time password once.
    fn decide(
        &self,
        request: &ExtensionRequest<'_>,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Permission, Halt> {
        let parameter = |name: &'static str| {
            let missing = || OAuthError::new(Reason::ParameterMissing).parameter(name);
            request.parameter(name).map(|value| value.expose()).ok_or_else(missing)
        };
        let username = parameter("username")?;
        let question = json!({
            "username": username,
            "password": parameter("password")?,
            "one_time_password": parameter("one_time_password")?,
            "address": cx.address,
        });
        let step = match request.ask(question, facts)? {
            Value::Number(step) => step.as_u64().unwrap_or_default(),
            why => return Err(refused(why.as_str().unwrap_or_default()).into()),
        };
        let until = Timestamp(cx.now.0 + LATEST);
        if request.claim(&format!("{username} {step}"), until, facts, cx.namespace())? == Claim::Seen {
            return Err(refused("the one-time password was used before").into());
        }
        let authentication =
            Authentication { auth_time: cx.now, acr: None, amr: vec!["pwd".into(), "otp".into()] };
        let subject = AuthenticatedSubject { id: SubjectId::new(username), authentication };
        Ok(Permission { subject: Some(subject), scope: request.scope.clone(), refreshable: true })
    }

    /// The time step of a one-time password that is right, as the password is, or in words why not. Guesses count as those at
    /// the sign-in do.
    async fn answer(&self, question: &Value) -> Result<Value, StoreError> {
        let text = |name: &str| question.get(name).and_then(Value::as_str).unwrap_or_default();
        let address = text("address").parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let now = self.clock.now();
        let Ok(attempt) = self.throttle.attempt(text("username"), address, now) else {
            return Ok(json!("too many guesses"));
        };
        let user = self.users.authenticate(text("username"), Secret::new(text("password"))).await;
        let user = user.map_err(|error| StoreError(error.to_string()))?;
        let step = user.and_then(|user| user.one_time_step(text("one_time_password"), now));
        let Some(step) = step else { return Ok(json!("a password is wrong")) };
        self.throttle.succeeded(&attempt);
        Ok(json!(step))
    }
}
