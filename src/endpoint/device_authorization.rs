//! The device authorization endpoint (RFC 8628 §3.1): a device gets a code to wait with, and one to show to its user.

use smallvec::smallvec;

use super::token::refuse_faults;
use crate::client::Credentials;
use crate::grant::{life, pending, target};
use crate::protocol::{ClientId, GrantType, OAuthError, Params, Reason, Resource, Scope, Secret, UserCode};
use crate::record::facts::Counter;
use crate::record::{
    Client, Context, Decide, Decision, Event, EventKind, Expectation, Facts, GrantId, Halt, Put, Record,
    UserCodeEntry,
};
use crate::token::{Handle, HandleKind, user_code};

/// A device authorization request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAuthorizationRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `scope`.
    pub scope: Option<String>,
    /// `resource`, sorted (RFC 8707 §2).
    pub resources: Vec<Resource>,
}

impl DeviceAuthorizationRequest {
    /// Reads the form body and the `Authorization` header. Parameters that nobody asked for are ignored.
    ///
    /// # Errors
    /// `invalid_request`, `invalid_client` or `invalid_target`, as the parameter at fault asks for.
    pub fn read(authorization: Option<&[u8]>, params: &Params<'_>) -> Result<Self, OAuthError> {
        refuse_faults(params)?;
        Ok(Self {
            credentials: Credentials::read(authorization, params)?,
            scope: params.get("scope").map(str::to_owned),
            resources: target::read_resources(params)?,
        })
    }
}

/// What a device is told (RFC 8628 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAuthorization {
    /// `device_code`.
    pub device_code: Secret,
    /// `user_code`; on the wire as it is shown.
    pub user_code: UserCode,
    /// `verification_uri`.
    pub verification_uri: String,
    /// `expires_in`, in seconds.
    pub expires_in: u64,
    /// `interval`, in seconds.
    pub interval: u64,
}

impl DeviceAuthorization {
    /// `verification_uri_complete`: for a device that can show a QR code, whose user then need not type.
    #[must_use]
    pub fn verification_uri_complete(&self) -> String {
        format!("{}?user_code={}", self.verification_uri, self.user_code.shown())
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// None that its strings can cause.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&serde_json::json!({
            "device_code": self.device_code.expose(),
            "user_code": self.user_code.shown(),
            "verification_uri": self.verification_uri,
            "verification_uri_complete": self.verification_uri_complete(),
            "expires_in": self.expires_in,
            "interval": self.interval,
        }))
    }
}

impl Decide for DeviceAuthorizationRequest {
    type Plan = DeviceAuthorization;

    fn client_id(&self) -> Option<ClientId> {
        Some(self.credentials.client_id.as_str().into())
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<DeviceAuthorization>, Halt> {
        let client = self.credentials.authenticate(facts, cx)?;
        if !cx.settings.grant_types.contains(&GrantType::DeviceCode) {
            return Err(Reason::GrantTypeUnsupported.into());
        }
        if !client.may_use(&GrantType::DeviceCode) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let scope = life::known_scope_to_ask_for(self.scope.as_deref(), client, cx)?;
        target::resolve(&self.resources, client, facts, cx)?;
        let counter = Counter::DeviceAuthorizations(client.id.clone(), cx.address);
        facts.within_limit(&counter, Reason::QuotaExhausted)?;
        self.begin(client, scope, facts, cx)
    }
}

impl DeviceAuthorizationRequest {
    /// One write. That no other device shows the same user code is a condition of it: if one does, the next attempt draws
    /// another.
    fn begin(
        &self,
        client: &Client,
        scope: Scope,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Decision<DeviceAuthorization>, Halt> {
        let mut batch = cx.batch();
        let epoch = life::epoch_for_new(client, &mut batch, facts, cx)?;
        let id = GrantId(cx.id());
        let code = Handle { id: id.0, secret: cx.random.code_secret() };
        let user_code = user_code::of_grant(id, cx);
        let key = user_code::key(&user_code, cx);
        let asked = (scope, self.resources.clone());
        let with = (&code, cx.now.plus(cx.settings.lifetimes.device_code));
        let grant = pending::begun(pending::Flow::Device, with, client, epoch, asked, cx);
        batch.expect(key, Expectation::Absent);
        batch.put = vec![
            Put {
                key,
                record: std::sync::Arc::new(Record::UserCode(UserCodeEntry { grant: id })),
                terms: Vec::new(),
                retain_until: life::retain_until(&grant),
            },
            life::put(id, grant, cx),
        ];
        let plan = DeviceAuthorization {
            device_code: code.encode(HandleKind::DeviceCode),
            user_code,
            verification_uri: cx.settings.device.verification_uri.clone(),
            expires_in: cx.settings.lifetimes.device_code.as_secs(),
            interval: cx.settings.device.interval.as_secs(),
        };
        let event = Event::new(EventKind::DeviceCodeIssued).client(&client.id).grant(id);
        Ok(Decision { batch, outcome: Ok(plan), events: smallvec![event] })
    }
}
