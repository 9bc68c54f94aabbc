//! Client metadata for people: what the client says about itself, and which software it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::metadata::MetadataError;
use super::web_url::web_url;
use crate::record::client::ClientDescription;

/// The longest text that is shown or kept, in bytes: a name, a contact, the name of a software.
const MAX_TEXT_BYTES: usize = 256;
/// The most contacts of one client, and the most members in other languages.
const MAX_TEXTS: usize = 50;
/// The members that may be said in several languages (RFC 7591 §2.2).
const LOCALIZED: [&str; 5] = ["client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"];

/// The part of the metadata of a client that describes it, by its registered names (RFC 7591 §2).
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct DescriptionMetadata {
    /// `client_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// `logo_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// `policy_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// `tos_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// `contacts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// `software_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// `software_version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// `software_statement`, as it was sent (RFC 7591 §3.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_statement: Option<String>,
}

impl DescriptionMetadata {
    /// What a client with these metadata, these members in other languages and this name says of itself. Pages are on the
    /// web, so that a link on the consent page can run nothing; texts are short and have no control characters.
    ///
    /// # Errors
    /// [`MetadataError`], naming the member.
    pub fn register(
        &self,
        name: Option<&str>,
        localized: &BTreeMap<String, String>,
    ) -> Result<ClientDescription, MetadataError> {
        if self.contacts.len() > MAX_TEXTS || localized.len() > MAX_TEXTS {
            return Err(MetadataError::Contradiction("there are too many contacts or languages"));
        }
        let software = [&self.software_id, &self.software_version].into_iter().flatten();
        let texts = self.contacts.iter().chain(software).map(String::as_str).chain(name);
        let names = localized.iter().filter(|(member, _)| is_name(member));
        if !texts.chain(names.map(|(_, name)| name.as_str())).all(is_text) {
            return Err(MetadataError::Contradiction(
                "a text has more than 256 bytes, or control characters",
            ));
        }
        for (member, uri) in localized.iter().filter(|(member, _)| !is_name(member)) {
            page(base(member), Some(uri))?;
        }
        Ok(ClientDescription {
            client_uri: page("client_uri", self.client_uri.as_ref())?,
            logo_uri: page("logo_uri", self.logo_uri.as_ref())?,
            policy_uri: page("policy_uri", self.policy_uri.as_ref())?,
            tos_uri: page("tos_uri", self.tos_uri.as_ref())?,
            contacts: self.contacts.clone(),
            localized: localized.clone(),
        })
    }
}

fn page(member: &'static str, uri: Option<&String>) -> Result<Option<url::Url>, MetadataError> {
    let parse = |uri: &String| web_url(uri).ok_or(MetadataError::NotOnTheWeb(member));
    uri.map(parse).transpose()
}

fn is_name(member: &str) -> bool {
    base(member) == "client_name"
}

fn is_text(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control)
}

/// The member without its language; empty for one that has none.
fn base(member: &str) -> &'static str {
    let name = member.split('#').next().unwrap_or_default();
    LOCALIZED.into_iter().find(|own| *own == name).unwrap_or_default()
}

/// Reads the members with a language tag (BCP 47) out of all that nobody else has read.
///
/// # Errors
/// When one of them is not a string.
pub(super) fn localized<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let tagged = |member: &str| {
        let language = member.split_once('#').map_or("", |(_, language)| language);
        let language = language.as_bytes();
        !base(member).is_empty()
            && (1..=35).contains(&language.len())
            && language.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    let members = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let members = members.into_iter().filter(|(member, _)| tagged(member));
    let text = |(member, value)| match value {
        Value::String(text) => Ok((member, text)),
        _ => Err(serde::de::Error::custom("a member with a language is not a string")),
    };
    members.map(text).collect()
}
