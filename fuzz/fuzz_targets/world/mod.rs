//! A server, and a client of it with keys and a secret that no input knows.

use grantor::client::ClientMetadata;
use grantor::jose::{Algorithm, KeyManagement, Sealer, SigningKey};
use grantor::record::client::ClientSecret;
use grantor::record::decision::Random;
use grantor::record::facts::Fact;
use grantor::record::{Context, Facts, Settings};
use grantor::{Issuer, Profile, Timestamp};

/// The name of the client.
pub const CLIENT: &str = "web";

/// What is the same for every input.
pub struct World {
    settings: Settings,
    pub facts: Facts,
}

impl World {
    /// The client authenticates by this method.
    pub fn new(method: &str) -> Self {
        let secret = SigningKey::generate(Algorithm::Ed25519).expect("a key").kid().repeat(2);
        let sealer = Sealer::new(&[7; 32]);
        let jwks =
            serde_json::json!({ "keys": [SigningKey::generate(Algorithm::Es256).expect("a key").public()] });
        let metadata = serde_json::json!([{
            "client_id": CLIENT, "token_endpoint_auth_method": method, "redirect_uris": ["https://web.example/cb"],
            "request_object_encryption_alg": "A256KW", "jwks": jwks,
        }]);
        let metadata =
            ClientMetadata::list_from_json(metadata.to_string().as_bytes()).expect("metadata").remove(0);
        let kept = ClientSecret::sealed(&secret, &CLIENT.into(), &sealer).expect("a long secret");
        let client = metadata.register(vec![kept]).expect("a client");
        let issuer = Issuer::new("https://as.example").expect("an issuer");
        let mut settings = Settings::new(issuer, Profile::Strict, sealer);
        settings.decryption_algorithms = KeyManagement::ALL.to_vec();
        let mut facts = Facts::new();
        facts.learn(Fact::Client(CLIENT.to_owned(), Some(client.into())));
        Self { settings, facts }
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            settings: &self.settings,
            now: Timestamp(1_800_000_000),
            random: Random::from_seed([7; Random::LEN]),
            address: None,
            attempt: 0,
            sequence: 0,
        }
    }
}
