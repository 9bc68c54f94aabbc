//! Devices: a server that lets them in, what they are told, and how they and their users go on.

use std::sync::Arc;

use grantor::authorize::{EnterUserCode, Step};
use grantor::protocol::{ClientAuthMethod, GrantType, OAuthError, Secret};
use grantor::record::{Client, InteractionId};
use grantor::server::{Builder, Origin};
use grantor::store::{MemoryStore, Store};
use serde_json::Value;

use super::clients::{self, client};
use super::{Agent, Answer, Fixture, Form, form, scope};

pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(crate) const SCOPE: &str = "openid offline_access profile read write";

/// How devices and their users see the server.
pub(crate) trait Devices {
    /// What a device is told.
    async fn device(&self, client: &str) -> Device;
    /// What a device is told that asks for something of its own.
    async fn device_for(&self, client: &str, request: &Form) -> Device;
    /// Asks once whether the user has answered.
    async fn poll(&self, client: &str, device: &Device) -> Answer;
}

/// What a device was told.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) told: Value,
}

impl Device {
    fn text(&self, name: &str) -> String {
        self.told[name].as_str().unwrap_or_else(|| panic!("{name}: {}", self.told)).to_owned()
    }

    pub(crate) fn device_code(&self) -> String {
        self.text("device_code")
    }

    pub(crate) fn user_code(&self) -> String {
        self.text("user_code")
    }

    /// The token request with which it polls.
    pub(crate) fn polling(&self) -> Form {
        form([("grant_type", DEVICE_CODE), ("device_code", &self.device_code())])
    }
}

/// A device without a browser, and a box that keeps a secret.
fn own_clients() -> Vec<Client> {
    let grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
    let device = |id, method| Client {
        grant_types: grant_types.clone(),
        response_types: vec![],
        scope: scope(SCOPE),
        ..client(id, method, &[])
    };
    let mut all = clients::all();
    all.iter_mut().for_each(|client| client.scope = scope(SCOPE));
    all.extend([device("tv", ClientAuthMethod::None), device("box", ClientAuthMethod::ClientSecretBasic)]);
    all
}

pub(crate) fn fixture() -> Fixture {
    over(Arc::new(MemoryStore::new()), |builder| builder)
}

pub(crate) fn with(configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    over(Arc::new(MemoryStore::new()), configure)
}

/// A server at which all grants are switched on, that of devices, too.
pub(crate) fn over(store: Arc<dyn Store>, configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    let on = [
        GrantType::AuthorizationCode,
        GrantType::RefreshToken,
        GrantType::ClientCredentials,
        GrantType::DeviceCode,
    ];
    Fixture::over(store, own_clients(), |builder| {
        configure(builder.grant_types(on).scope(scope(&format!("{SCOPE} admin"))))
    })
}

impl Devices for Fixture {
    async fn device(&self, client: &str) -> Device {
        self.device_for(client, &form([("scope", "read write")])).await
    }

    async fn device_for(&self, client: &str, request: &Form) -> Device {
        let answer = self.post_as(client, "/device_authorization", request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Device { told: answer.json() }
    }

    async fn poll(&self, client: &str, device: &Device) -> Answer {
        self.token(client, &device.polling()).await
    }
}

impl Agent<'_> {
    /// What the page where codes are entered posts. The browser takes the cookie that comes with the page.
    pub(crate) fn entering(&mut self, typed: &str) -> EnterUserCode {
        let token = self.fixture().server.form_token(&self.browser()).unwrap();
        self.take(&token.cookies);
        EnterUserCode { typed: Secret::new(typed), csrf: token.csrf, browser: self.browser() }
    }

    /// Enters a code.
    pub(crate) async fn enter(&mut self, typed: &str) -> Result<Step, OAuthError> {
        let entered = self.entering(typed);
        self.fixture().server.enter_user_code(&entered, Origin::default()).await
    }

    /// Enters the code of a device, which is right, and comes to the page that asks.
    pub(crate) async fn at_device(&mut self, device: &Device) -> InteractionId {
        let step = self.enter(&device.user_code()).await;
        let answer = self.shown(step);
        assert!(Agent::is_at(&answer, "/consent"), "{answer:?}");
        Agent::interaction(&answer)
    }

    /// Lets a device in, as somebody who signs in for that.
    pub(crate) async fn let_in(&mut self, device: &Device, subject: &str) -> Answer {
        self.sign_in(subject).await;
        let id = self.at_device(device).await;
        let asked = self.view(id).await.unwrap().scope;
        self.approve(id, &asked).await
    }

    /// Keeps a device out.
    pub(crate) async fn keep_out(&mut self, device: &Device, subject: &str) -> Answer {
        self.sign_in(subject).await;
        let id = self.at_device(device).await;
        self.deny(id).await
    }
}
