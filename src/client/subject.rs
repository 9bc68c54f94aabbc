//! Client metadata about what the client calls its users, and the rules of sectors.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::metadata::MetadataError;
use super::web_url::web_url;
use crate::jose::json;
use crate::protocol::{RedirectUri, SubjectType};
use crate::record::client::Sector;

/// The part of the metadata of a client that is about subject identifiers, by its registered names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectMetadata {
    /// `subject_type` (OpenID Connect Dynamic Client Registration §2); absent means `public`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_type: Option<SubjectType>,
    /// `sector_identifier_uri` (OpenID Connect Core §8.1): where the redirect URIs of all clients of the sector are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
}

impl SubjectMetadata {
    /// The sector in which a client with these redirect URIs knows its users; `None` where it knows them by the names that
    /// all clients know. Whether the document at `sector_identifier_uri` lists the redirect URIs is another question: see
    /// [`lists`](Self::lists).
    ///
    /// # Errors
    /// [`MetadataError::Contradiction`] when `sector_identifier_uri` is no `https` URL, or when a pairwise client has none
    /// and its redirect URIs do not share one host of the web (OpenID Connect Core §8.1).
    pub fn register(&self, redirect_uris: &[RedirectUri]) -> Result<Option<Sector>, MetadataError> {
        let document = self.sector_document()?;
        match (self.subject_type.unwrap_or_default(), document) {
            (SubjectType::Public, _) => Ok(None),
            (SubjectType::Pairwise, Some(document)) => Ok(document.host_str().map(Sector::new)),
            (SubjectType::Pairwise, None) => match common_host(redirect_uris) {
                Some(host) => Ok(Some(Sector::new(&host))),
                None => Err(MetadataError::Contradiction(
                    "pairwise needs redirect URIs on one host of the web, or a sector_identifier_uri (OpenID Connect Core §8.1)",
                )),
            },
        }
    }

    /// Where the document of the sector is, if there is one.
    ///
    /// # Errors
    /// [`MetadataError::Contradiction`] when `sector_identifier_uri` is no `https` URL, has user information, or is longer than 2048 bytes.
    pub fn sector_document(&self) -> Result<Option<Url>, MetadataError> {
        let Some(text) = &self.sector_identifier_uri else { return Ok(None) };
        let uri = web_url(text).filter(|uri| uri.scheme() == "https");
        uri.map(Some).ok_or(MetadataError::Contradiction("sector_identifier_uri must be an https URL"))
    }

    /// Whether the document of a sector, a JSON array of URIs, lists every one of these redirect URIs, compared byte for
    /// byte (OpenID Connect Core §8.1).
    ///
    /// # Errors
    /// [`MetadataError::Json`] when it is no array of strings, [`MetadataError::Contradiction`] when one is missing.
    pub fn lists(document: &[u8], redirect_uris: &[String]) -> Result<(), MetadataError> {
        let listed: Vec<String> = json::from_slice(document)?;
        match redirect_uris.iter().all(|uri| listed.contains(uri)) {
            true => Ok(()),
            false => Err(MetadataError::Contradiction(
                "the document at sector_identifier_uri does not list every redirect URI (OpenID Connect Core §8.1)",
            )),
        }
    }
}

/// The one host of these URIs. Whoever is on this machine or claims a scheme is no sector of its own.
fn common_host(redirect_uris: &[RedirectUri]) -> Option<String> {
    let host = |uri: &RedirectUri| {
        let on_the_web = !uri.is_loopback() && !uri.is_private_scheme();
        let uri = Url::parse(uri.as_str()).ok().filter(|_| on_the_web)?;
        uri.host().map(|host: Host<&str>| host.to_string())
    };
    let mut hosts = redirect_uris.iter().map(host);
    let first = hosts.next()??;
    hosts.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ApplicationType;

    fn sector(json: &str, redirect_uris: &[&str]) -> Result<Option<Sector>, MetadataError> {
        let parse = |uri: &&str| RedirectUri::parse(uri, ApplicationType::Native).unwrap();
        let uris: Vec<_> = redirect_uris.iter().map(parse).collect();
        serde_json::from_str::<SubjectMetadata>(json).unwrap().register(&uris)
    }

    const PAIRWISE: &str = r#"{"subject_type":"pairwise"}"#;

    #[test]
    fn a_sector_is_the_host_of_its_document_or_of_all_redirect_uris() {
        let own = |json, uris: &[&str]| sector(json, uris).unwrap().map(|own| own.as_str().to_owned());
        assert_eq!(own("{}", &["https://a.example/cb"]), None);
        assert_eq!(
            own(r#"{"subject_type":"public"}"#, &["https://a.example/cb", "https://b.example/"]),
            None
        );
        let here = ["https://a.example/cb", "https://a.example:8443/other"];
        assert_eq!(own(PAIRWISE, &here).as_deref(), Some("a.example"));
        let document =
            r#"{"subject_type":"pairwise","sector_identifier_uri":"https://S.example:444/list?x"}"#;
        for uris in [&["https://a.example/cb", "com.example.app:/cb"][..], &[]] {
            assert_eq!(own(document, uris).as_deref(), Some("s.example"));
        }
    }

    #[test]
    fn a_client_without_a_sector_cannot_be_pairwise() {
        for uris in [
            &["https://a.example/cb", "https://b.example/cb"][..],
            &["https://a.example/cb", "https://sub.a.example/cb"],
            &["com.example.app:/cb"],
            &["http://127.0.0.1/cb"],
            &["https://a.example/cb", "http://localhost/cb"],
            &[],
        ] {
            assert!(sector(PAIRWISE, uris).is_err(), "{uris:?}");
        }
        let long = format!("https://s.example/{}", "x".repeat(2048));
        for uri in [
            "http://s.example/",
            "https://u@s.example/",
            "s.example",
            "urn:s.example",
            "",
            " https://s.example/",
            &long,
        ] {
            for subject_type in ["pairwise", "public"] {
                let json = format!(r#"{{"subject_type":"{subject_type}","sector_identifier_uri":"{uri}"}}"#);
                assert!(sector(&json, &["https://a.example/cb"]).is_err(), "{json}");
            }
        }
    }

    #[test]
    fn a_sector_lists_every_redirect_uri_or_the_client_is_not_of_it() {
        let own = ["https://a.example/cb".to_owned(), "https://b.example/cb".to_owned()];
        let lists = |document: &str| SubjectMetadata::lists(document.as_bytes(), &own);
        lists(r#"["https://b.example/cb","https://c.example/","https://a.example/cb"]"#).unwrap();
        for document in
            [r#"["https://a.example/cb"]"#, r#"["https://a.example/cb","https://b.example/cb/"]"#, "[]"]
        {
            assert!(matches!(lists(document), Err(MetadataError::Contradiction(_))), "{document}");
        }
        for document in ["", "{}", "null", r#"["https://a.example/cb",1]"#, r#"{"uris":[]}"#] {
            assert!(matches!(lists(document), Err(MetadataError::Json(_))), "{document}");
        }
    }

    #[test]
    fn what_was_not_said_is_not_written() {
        assert_eq!(serde_json::to_string(&SubjectMetadata::default()).unwrap(), "{}");
        let read: SubjectMetadata = serde_json::from_str(PAIRWISE).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), PAIRWISE);
    }
}
