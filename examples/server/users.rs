//! The people who sign in, and their passwords: what a host usually has in a table of its own.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use grantor::client::secret::DUMMY_ARGON2;
use grantor::host::{Accounts, PasswordVerifier, SlowHashPool, hash_secret};
use grantor::protocol::{OAuthError, Reason, Secret, SubjectId, Timestamp};
use grantor::record::facts::Account;
use grantor::record::grant::{AuthenticatedSubject, Authentication};
use grantor::record::password::{PasswordAttempt, PasswordVerdict};
use grantor::store::StoreError;
use serde::Deserialize;
use serde_json::{Map, Value};
use totp_rs::Totp;

/// Everyone who can sign in.
pub(crate) struct Users {
    by_name: HashMap<String, User>,
    passwords: SlowHashPool,
    nobody: Arc<str>,
}

/// Someone who can sign in.
pub(crate) struct User {
    /// The name typed at the sign-in, which is also `sub`: it is never given to someone else.
    pub(crate) username: String,
    /// What is known of them, by the names of OpenID Connect Core §5.1.
    pub(crate) claims: Map<String, Value>,
    password: Arc<str>,
    one_time: Option<Totp>,
}

impl User {
    /// The time step of a one-time password, if it is theirs now; one from before or after counts for clocks that differ.
    pub(crate) fn one_time_step(&self, password: &str, now: Timestamp) -> Option<u64> {
        self.one_time.as_ref()?.check(password, now.0)
    }

    /// What to call them: by their given name, else as they sign in.
    pub(crate) fn call_name(&self) -> &str {
        self.claims.get("given_name").and_then(Value::as_str).unwrap_or(&self.username)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    username: String,
    password: String,
    /// What their authenticator knows, in base32 (RFC 6238).
    #[serde(default)]
    totp_secret: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

impl Users {
    /// Reads a JSON array of objects with `username`, `password`, `totp_secret` and `claims`. Passwords are kept as Argon2id hashes.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, String> {
        let entries: Vec<Entry> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut by_name = HashMap::new();
        for Entry { username, password, totp_secret, claims } in entries {
            if username.is_empty()
                || username.len() > 255
                || !username.bytes().all(|byte| byte.is_ascii_graphic())
            {
                return Err(format!("the username {username:?} must be 1 to 255 visible ASCII characters"));
            }
            let one_time = totp_secret.map(|secret| totp(&secret)).transpose()?;
            let password = hash_secret(&password)?.into();
            let user = User { username: username.clone(), claims, password, one_time };
            if by_name.insert(username.clone(), user).is_some() {
                return Err(format!("there are two users {username:?}"));
            }
        }
        Ok(Self { by_name, passwords: SlowHashPool::default(), nobody: DUMMY_ARGON2.into() })
    }

    /// The user, if this is their password. It takes as long to find out that there is no such user.
    pub(crate) async fn authenticate(
        &self,
        username: &str,
        password: Secret,
    ) -> Result<Option<&User>, OAuthError> {
        let user = self.by_name.get(username);
        let expected = user.map_or(&self.nobody, |user| &user.password);
        let matches = self.passwords.verify(password, Arc::clone(expected)).await;
        let matches = matches.map_err(|busy| OAuthError::new(Reason::Overloaded).detail(busy.to_string()))?;
        Ok(user.filter(|_| matches))
    }

    /// The user who signs in by this name, or has this email address.
    pub(crate) fn by_name_or_email(&self, name: &str) -> Option<&User> {
        let has_email = |user: &&User| user.claims.get("email").and_then(Value::as_str) == Some(name);
        self.by_name.get(name).or_else(|| self.by_name.values().find(has_email))
    }

    /// The user behind a subject.
    pub(crate) fn by_subject(&self, subject: &SubjectId) -> Option<&User> {
        self.by_name.get(subject.as_str())
    }
}

/// What an authenticator makes of this secret.
fn totp(secret: &str) -> Result<Totp, String> {
    let secret = totp_rs::Secret::try_from_base32(secret).map_err(|error| format!("totp_secret: {error}"))?;
    totp_rs::Builder::new().with_secret(secret).build().map_err(|error| format!("totp_secret: {error}"))
}

/// For clients that send passwords (`--profile oidc_compat`); the library counts the guesses.
#[async_trait]
impl PasswordVerifier for Users {
    async fn verify(&self, attempt: &PasswordAttempt, now: Timestamp) -> Result<PasswordVerdict, StoreError> {
        let user = self.authenticate(attempt.username.expose(), attempt.password.clone()).await;
        let user = user.map_err(|error| StoreError(error.to_string()))?;
        Ok(user.map_or(PasswordVerdict::Wrong, |user| {
            let authentication = Authentication { auth_time: now, acr: None, amr: vec!["pwd".into()] };
            let id = SubjectId::new(user.username.as_str());
            PasswordVerdict::Right(AuthenticatedSubject { id, authentication })
        }))
    }
}

/// Asked at every redemption, refresh and check: who is no longer in the list can no longer be acted for. What is known
/// of the others is told as it stands in the list; the library lets out what was asked for and allowed.
#[async_trait]
impl Accounts for Users {
    async fn account(&self, subject: &SubjectId) -> Result<Account, StoreError> {
        Ok(if self.by_subject(subject).is_some() { Account::Active } else { Account::Inactive })
    }

    async fn claims(&self, subject: &SubjectId) -> Result<Map<String, Value>, StoreError> {
        Ok(self.by_subject(subject).map(|user| user.claims.clone()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_user_who_exists_signs_in() {
        let users = Users::from_json(br#"[{"username":"bob","password":"builder"}]"#).unwrap();
        for (username, password, found) in
            [("bob", "builder", true), ("bob", "other", false), ("eve", "builder", false), ("", "", false)]
        {
            let user = users.authenticate(username, Secret::new(password)).await.unwrap();
            assert_eq!(user.is_some(), found, "{username} {password}");
        }
    }

    #[test]
    fn a_list_with_a_mistake_is_refused() {
        for json in [
            r#"{}"#,
            r#"[{"username":"bob"}]"#,
            r#"[{"username":"","password":"x"}]"#,
            r#"[{"username":"bob","password":"x","role":"admin"}]"#,
            r#"[{"username":"bob","password":"x"},{"username":"bob","password":"y"}]"#,
        ] {
            assert!(Users::from_json(json.as_bytes()).is_err(), "{json}");
        }
    }
}
