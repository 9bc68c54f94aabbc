//! What a client may register by itself: all of [`ClientMetadata`] but what only an operator may say, as far as the server
//! has it to offer (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2).
//!
//! What the server does not know is ignored. Of a list, what it does not offer is left out, and the answer says what is left
//! (RFC 7591 §3.2.1); a single value that it does not offer is refused, and so is a member for something that it does not do at
//! all, such as fetching: a client that had it accepted would wait in vain. Who may register is decided elsewhere, by the
//! host's policy.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::encryption::KEY_MANAGEMENT;
use super::metadata::{ClientMetadata, MetadataError};
use super::operator::OperatorMetadata;
use crate::jose::KeyManagement;
use crate::protocol::scope::OPENID;
use crate::protocol::{ClientAuthMethod, ClientId, GrantType, ResponseType, Scope, SubjectType};
use crate::record::assertion::AssertionAlgorithm;
use crate::record::registration::Admission;
use crate::record::{Client, RegisteredClient, Settings};

/// The most redirect URIs, and the most post-logout redirect URIs, of a client that registers itself.
pub const MAX_OWN_REDIRECT_URIS: usize = 10;

impl ClientMetadata {
    /// The metadata of a client that asks for `wished`, with every default filled in. `null` and the empty string are as good
    /// as absent (RFC 7592 §2.2). It gets the scope values and the grant types of `terms` at most; one that names no scope gets
    /// all of that.
    ///
    /// # Errors
    /// [`MetadataError`], naming the rule.
    pub fn of_applicant(
        wished: &Map<String, Value>,
        id: &ClientId,
        terms: &Admission,
        settings: &Settings,
    ) -> Result<Self, MetadataError> {
        let may_use = |own: &GrantType| terms.grant_types.contains(own) && offers(settings, own);
        let most = terms.scope.as_ref().map(|scope| scope.intersection(&settings.scope));
        let most = most.as_ref().unwrap_or(&settings.scope);
        let mut members = wished.clone();
        members.retain(|_, value| !value.is_null() && value != "");
        members.insert("client_id".to_owned(), id.as_str().into());
        narrow(&mut members, "grant_types", |name| {
            GrantType::from_name(name).filter(may_use).map(|own| own.as_str().into())
        })?;
        narrow(&mut members, "response_types", |name| {
            let offered = ResponseType::from_values(name).filter(|own| settings.response_types.contains(own));
            offered.map(|own| own.as_str().into())
        })?;
        let any_scope = !members.contains_key("scope");
        let mut metadata = Self::from_members(members)?;
        metadata.operator = OperatorMetadata::default();
        metadata.scope = if any_scope { most.clone() } else { within(&metadata.scope, most)? };
        metadata.response_types.get_or_insert_with(|| {
            match metadata.grant_types.contains(&GrantType::AuthorizationCode) {
                true => vec![ResponseType::Code],
                false => Vec::new(),
            }
        });
        if metadata.scope.contains(OPENID) && metadata.id_token_signed_response_alg.is_none() {
            metadata.id_token_signed_response_alg =
                settings.signing_algorithms.first().copied().map(Into::into);
        }
        if !metadata.grant_types.iter().all(may_use) {
            return Err(MetadataError::Contradiction(
                "grant_types must be named, because authorization_code is not offered",
            ));
        }
        metadata.check_offered(settings)?;
        Ok(metadata)
    }

    /// The metadata as they are kept and answered, by their registered names.
    ///
    /// # Errors
    /// [`MetadataError::Malformed`] if they cannot be written as JSON, which no metadata that were read can cause.
    pub fn to_members(&self) -> Result<Map<String, Value>, MetadataError> {
        let malformed = |error: serde_json::Error| MetadataError::Malformed {
            member: "the registration".to_owned(),
            error: error.to_string(),
        };
        let json = serde_json::to_value(self).map_err(malformed)?;
        serde_json::from_value(json).map_err(malformed)
    }

    /// Whether the client has a use for a secret.
    #[must_use]
    pub fn needs_secret(&self) -> bool {
        self.token_endpoint_auth_method.has_secret() || self.needs_secret_sealed()
    }

    /// Whether the server needs the secret itself again, so that a digest of it is not enough: to check an HMAC, or to
    /// derive a key (OpenID Connect Core §10.1, §10.2).
    #[must_use]
    pub fn needs_secret_sealed(&self) -> bool {
        let mut algorithms =
            self.encryption.algorithms().chain(self.request_objects.request_object_encryption_alg);
        self.token_endpoint_auth_method == ClientAuthMethod::ClientSecretJwt
            || self.request_objects.mac().or(self.id_token_mac()).is_some()
            || algorithms.any(KeyManagement::is_shared)
    }

    fn from_members(members: Map<String, Value>) -> Result<Self, MetadataError> {
        let read = |members| Self::deserialize(Value::Object(members));
        let error = match read(members.clone()) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error.to_string(),
        };
        // The one that cannot be read alone is to blame; none that is unknown can be.
        let alone = |(name, value): &(String, Value)| {
            let id = ("client_id".to_owned(), Value::from("x"));
            read(Map::from_iter([id, (name.clone(), value.clone())])).is_err()
        };
        let member = members.into_iter().find(alone).map_or_else(|| "a member".to_owned(), |(name, _)| name);
        Err(MetadataError::Malformed { member, error })
    }

    /// Whether the server offers every single value that is asked for, and can do what every member is for.
    fn check_offered(&self, settings: &Settings) -> Result<(), MetadataError> {
        self.check_lengths(MAX_OWN_REDIRECT_URIS)?;
        let methods = settings.dials.client_auth_methods;
        let (requests, backchannel, logout) = (&self.request_objects, &self.backchannel, &self.logout);
        let signs = |alg| settings.signing_algorithms.contains(&alg);
        let rules = [
            (
                methods.contains(&self.token_endpoint_auth_method),
                "token_endpoint_auth_method is not one that the server takes",
            ),
            (
                self.token_endpoint_auth_signing_alg
                    .is_none_or(|alg| settings.assertions.algorithms(methods).contains(&alg)),
                "token_endpoint_auth_signing_alg is not one that the server takes",
            ),
            (
                self.jwks_uri.is_none() || settings.remote_keys,
                "jwks_uri is not offered, because the server fetches no keys",
            ),
            (
                backchannel
                    .backchannel_token_delivery_mode
                    .is_none_or(|mode| settings.delivery_modes().contains(&mode)),
                "backchannel_token_delivery_mode is not one that the server has",
            ),
            (
                backchannel
                    .backchannel_authentication_request_signing_alg
                    .is_none_or(|alg| settings.assertions.signatures.contains(&alg)),
                "backchannel_authentication_request_signing_alg is not one that the server takes",
            ),
            (
                !backchannel.backchannel_user_code_parameter || settings.backchannel.user_codes,
                "backchannel_user_code_parameter is not offered",
            ),
            (
                self.subject.subject_type != Some(SubjectType::Pairwise) || settings.pairwise.is_some(),
                "subject_type pairwise is not offered",
            ),
            (
                requests
                    .request_object_signing_alg
                    .is_none_or(|alg| settings.request_object_algorithms().contains(&alg)),
                "request_object_signing_alg is not one that the server takes",
            ),
            (
                requests
                    .request_object_encryption_alg
                    .is_none_or(|alg| settings.decryption_algorithms.contains(&alg)),
                "request_object_encryption_alg is not one that the server has a key for",
            ),
            (
                !requests.require_signed_request_object || settings.takes_request_objects(),
                "require_signed_request_object is not offered, because the server takes no request objects",
            ),
            (
                requests.request_uris.is_empty() || settings.remote_requests,
                "request_uris are not offered, because the server fetches no request objects",
            ),
            (
                self.encryption.algorithms().all(|alg| KEY_MANAGEMENT.contains(&alg)),
                "an encrypted_response_alg is not one that the server encrypts with",
            ),
            (
                self.id_token_signed_response_alg.is_none_or(|alg| match alg {
                    AssertionAlgorithm::Signature(alg) => signs(alg),
                    AssertionAlgorithm::Mac(alg) => settings.id_token_macs().contains(&alg),
                }),
                "id_token_signed_response_alg is not one that the server signs with",
            ),
            (
                self.userinfo_signed_response_alg.is_none_or(signs),
                "userinfo_signed_response_alg is not one that the server signs with",
            ),
            (
                logout.backchannel_logout_uri.is_none() || settings.backchannel_logout,
                "backchannel_logout_uri is not offered, because the server tells no client of a logout there",
            ),
            (
                logout.frontchannel_logout_uri.is_none() || settings.frontchannel_logout,
                "frontchannel_logout_uri is not offered, because the server tells no client of a logout there",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(MetadataError::Contradiction(rule)),
            None => Ok(()),
        }
    }
}

impl RegisteredClient {
    /// The client that registered itself so.
    ///
    /// # Errors
    /// [`MetadataError`] when the metadata no longer keep the rules, which have changed since.
    pub fn client(&self) -> Result<Client, MetadataError> {
        let client = ClientMetadata::from_members(self.metadata.clone())?.register(self.secrets.clone())?;
        Ok(Client { self_registered: true, ..client })
    }
}

/// Whether the server has a grant type. The implicit grant comes with the response types that need it.
fn offers(settings: &Settings, grant_type: &GrantType) -> bool {
    let in_front = |own: &ResponseType| own.has_token() || own.has_id_token();
    match grant_type {
        GrantType::Implicit => settings.response_types.iter().any(in_front),
        other => settings.grant_types.contains(other),
    }
}

/// Leaves in a list of names those that are known, as they are spelt here.
fn narrow(
    members: &mut Map<String, Value>,
    member: &'static str,
    known: impl Fn(&str) -> Option<Value>,
) -> Result<(), MetadataError> {
    let Some(Value::Array(names)) = members.get_mut(member) else { return Ok(()) };
    let nothing_asked = names.is_empty();
    let mut left: Vec<Value> = Vec::new();
    for name in names.iter() {
        let text = name.as_str().ok_or_else(|| MetadataError::Malformed {
            member: member.to_owned(),
            error: "it holds strings".to_owned(),
        })?;
        if let Some(name) = known(text).filter(|name| !left.contains(name)) {
            left.push(name);
        }
    }
    if left.is_empty() && !nothing_asked {
        return Err(MetadataError::NotOffered(member));
    }
    *names = left;
    Ok(())
}

fn within(asked: &Scope, most: &Scope) -> Result<Scope, MetadataError> {
    let left = asked.intersection(most);
    if left.is_empty() { Err(MetadataError::NotOffered("scope")) } else { Ok(left) }
}
