//! The clients and users that come with the server, to try it out with. Their secrets are known to everyone.

use grantor::host::StaticClients;
use grantor::jose::Sealer;
use grantor::protocol::{GrantType, Issuer, Resource, Scope};
use serde_json::Value;

use crate::args::Args;
use crate::users::Users;

/// The demo clients, in the form of `--clients`.
const CLIENTS: &str = include_str!("demo/clients.json");
/// The demo users, in the form of `--users`.
const USERS: &str = include_str!("demo/users.json");

/// The username and password of the demo user.
pub(crate) const USER: (&str, &str) = ("alice", "wonderland");

/// The scope values there are.
const SCOPE: &str = "openid profile email address phone offline_access api:read api:write";

/// The grant types that every profile has.
pub(crate) const GRANT_TYPES: &[GrantType] = &[
    GrantType::AuthorizationCode,
    GrantType::RefreshToken,
    GrantType::ClientCredentials,
    GrantType::DeviceCode,
    GrantType::Ciba,
    GrantType::TokenExchange,
    GrantType::JwtBearer,
];

/// The scope values there are.
pub(crate) fn scope() -> Result<Scope, String> {
    Scope::parse(SCOPE).map_err(|error| error.to_string())
}

/// The clients of `--clients`, or the demo clients.
pub(crate) fn clients(args: &Args, issuer: &Issuer, sealer: &Sealer) -> Result<StaticClients, String> {
    match &args.clients {
        Some(path) => {
            let in_words = |error: String| format!("--clients {}: {error}", path.display());
            let json = std::fs::read(path).map_err(|error| in_words(error.to_string()))?;
            StaticClients::from_json_sealed_by(&json, sealer).map_err(|error| in_words(error.to_string()))
        }
        None => {
            let json = with_demo_api(&args.resources, issuer).map_err(|error| error.to_string())?;
            StaticClients::from_json(&json).map_err(|error| error.to_string())
        }
    }
}

/// The demo clients, where `demo-api` answers for the issuer and for every resource there is.
fn with_demo_api(resources: &[Resource], issuer: &Issuer) -> serde_json::Result<Vec<u8>> {
    let mut clients: Vec<Value> = serde_json::from_str(CLIENTS)?;
    let audiences = resources.iter().map(Resource::as_str).chain([issuer.as_str()]);
    let audiences: Value = audiences.map(Value::from).collect();
    for client in clients.iter_mut().filter_map(Value::as_object_mut) {
        if client.get("client_id").is_some_and(|id| id == "demo-api") {
            client.insert("resource_server_of".into(), audiences.clone());
        }
    }
    serde_json::to_vec(&clients)
}

/// A demo client, for the banner.
#[derive(serde::Deserialize)]
pub(crate) struct DemoClient {
    pub(crate) client_id: String,
    #[serde(default)]
    pub(crate) client_secret: Option<String>,
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) grant_types: Vec<String>,
}

/// The demo clients, for the banner.
pub(crate) fn listing() -> Vec<DemoClient> {
    serde_json::from_str(CLIENTS).unwrap_or_default()
}

/// The users of `--users`, or the demo user.
pub(crate) fn users(args: &Args) -> Result<Users, String> {
    match &args.users {
        Some(path) => {
            let in_words = |error: String| format!("--users {}: {error}", path.display());
            let json = std::fs::read(path).map_err(|error| in_words(error.to_string()))?;
            Users::from_json(&json).map_err(in_words)
        }
        None => Users::from_json(USERS.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use grantor::protocol::Secret;

    use super::*;

    fn no_flags() -> Args {
        Args::parse_from(["server"])
    }

    #[test]
    fn the_demo_clients_may_ask_for_what_there_is_and_nothing_else() {
        let issuer = Issuer::new("https://as.example").unwrap();
        let clients = clients(&no_flags(), &issuer, &Sealer::new(&[7; 32])).unwrap();
        assert_eq!(clients.iter().count(), listing().len());
        assert!(clients.iter().all(|client| client.scope.is_subset(&scope().unwrap())));
        assert!(clients.iter().flat_map(|client| &client.secrets).all(|secret| !secret.is_slow()));
    }

    #[tokio::test]
    async fn the_demo_user_signs_in_with_the_password_that_is_printed() {
        let users = users(&no_flags()).unwrap();
        let alice = users.authenticate(USER.0, Secret::new(USER.1)).await.unwrap().unwrap();
        assert_eq!(alice.claims.len(), 19);
    }
}
