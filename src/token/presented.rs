//! A token as it was presented.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::claims::TokenId;
use super::{Handle, HandleKind, RefreshHandle};
use crate::jose::MAX_TOKEN_BYTES;
use crate::protocol::{ClientId, Secret, SubjectId};
use crate::record::{GrantId, Key, Namespace};

/// What the text of a presented token says that it is. Whether it was ever issued, and lives, is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresentedToken {
    /// An opaque access token.
    Access(Handle),
    /// A refresh token.
    Refresh(RefreshHandle),
    /// A JWT access token.
    Jwt(PresentedJwt),
    /// None of ours.
    Unknown,
}

/// A JWT that claims to be an access token of ours. Anyone can write such claims: until the signature is checked they
/// are good for reading ahead, and for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedJwt {
    /// The token.
    pub text: Secret,
    /// What it claims as `jti`.
    pub token_id: TokenId,
    /// What it claims as `client_id`.
    pub client: ClientId,
    /// What it claims as `sub`.
    pub subject: SubjectId,
}

#[derive(Deserialize)]
struct Claimed<'a> {
    #[serde(borrow)]
    jti: Cow<'a, str>,
    client_id: ClientId,
    sub: SubjectId,
}

impl PresentedToken {
    /// Reads the text of a token.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if let Some(handle) = Handle::decode(HandleKind::AccessToken, text) {
            return Self::Access(handle);
        }
        if let Some(handle) = RefreshHandle::decode(text) {
            return Self::Refresh(handle);
        }
        PresentedJwt::read(text).map_or(Self::Unknown, Self::Jwt)
    }

    /// The grant that it names.
    #[must_use]
    pub const fn grant(&self) -> Option<GrantId> {
        match self {
            Self::Access(handle) => Some(GrantId(handle.id)),
            Self::Refresh(handle) => Some(GrantId(handle.id)),
            Self::Jwt(PresentedJwt { token_id: TokenId::Granted { grant, .. }, .. }) => Some(GrantId(*grant)),
            Self::Jwt(_) | Self::Unknown => None,
        }
    }

    /// The records that its life hangs on, as far as its text names them: a JWT names them all.
    #[must_use]
    pub fn records(&self, namespace: Namespace) -> [Option<Key>; 3] {
        let grant = self.grant().map(|id| namespace.grant(id));
        let Self::Jwt(jwt) = self else { return [grant, None, None] };
        let client = Some(namespace.client_state(&jwt.client));
        match jwt.token_id {
            TokenId::Granted { .. } => [grant, client, Some(namespace.subject(&jwt.subject))],
            TokenId::Recordless { id, .. } => [Some(namespace.revoked_token(id)), client, None],
        }
    }
}

impl PresentedJwt {
    /// Reads a token whose claims may be ours; what this refuses would be refused with any signature.
    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (signing_input, _) = text.rsplit_once('.')?;
        let (_, payload) = signing_input.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let claimed: Claimed<'_> = serde_json::from_slice(&payload).ok()?;
        Some(Self {
            text: Secret::new(text),
            token_id: TokenId::parse(&claimed.jti)?,
            client: claimed.client_id,
            subject: claimed.sub,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Id;
    use proptest::prelude::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(payload))
    }

    fn claims(token_id: TokenId) -> String {
        format!(r#"{{"jti":"{token_id}","sub":"alice","x":[{{}}],"client_id":"web"}}"#)
    }

    #[test]
    fn a_jwt_names_all_that_its_life_hangs_on() {
        let (namespace, id) = (Namespace::of_issuer("https://as.example"), Id([7; 16]));
        let (client, subject) = (ClientId::new("web"), SubjectId::new("alice"));
        let granted = PresentedToken::read(&jwt(&claims(TokenId::Granted { grant: id, sequence: 0 })));
        assert_eq!(granted.grant(), Some(GrantId(id)));
        let client = Some(namespace.client_state(&client));
        let named = [Some(namespace.grant(GrantId(id))), client, Some(namespace.subject(&subject))];
        assert_eq!(granted.records(namespace), named);
        let alone = PresentedToken::read(&jwt(&claims(TokenId::Recordless { id, client_epoch: 0 })));
        assert_eq!(alone.grant(), None);
        assert_eq!(alone.records(namespace), [Some(namespace.revoked_token(id)), client, None]);
    }

    #[test]
    fn a_jwt_that_cannot_be_ours_is_none_of_ours() {
        let good = claims(TokenId::Granted { grant: Id([7; 16]), sequence: 0 });
        assert!(matches!(PresentedToken::read(&jwt(&good)), PresentedToken::Jwt(_)));
        let long = format!("{good}{}", " ".repeat(MAX_TOKEN_BYTES));
        let nameless = good.replace("client_id", "azp");
        for token in [jwt(&long), jwt(&nameless), jwt("[]"), format!("{}.A", jwt(&good)), "a.b.c".into()] {
            assert_eq!(PresentedToken::read(&token), PresentedToken::Unknown, "{token:.80}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "\\PC*", payload in "\\PC*") {
            let _ = PresentedToken::read(&text);
            let _ = PresentedToken::read(&jwt(&payload));
        }
    }
}
