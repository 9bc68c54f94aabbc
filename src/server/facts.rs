//! Finding out what a decision needs to know: from the store and from the host.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use smallvec::{SmallVec, smallvec};

use super::AuthorizationServer;
use super::driver::unavailable;
use crate::host::{FetchError, SignerError, sector_document};
use crate::protocol::{OAuthError, Reason, Timestamp};
use crate::record::backchannel::Identified;
use crate::record::exchange;
use crate::record::extension::HostAnswer;
use crate::record::facts::{Account, Fact};
use crate::record::password::PasswordVerdict;
use crate::record::registration::{Refusal, Verdict};
use crate::record::{Context, Facts, Need, Versioned};

/// What one question teaches.
pub(super) type Learned = SmallVec<[Fact; 1]>;
/// A question that was asked and is not answered yet.
pub(super) type Fetching<'s> = Pin<Box<dyn Future<Output = Result<Learned, OAuthError>> + Send + 's>>;

/// Runs a future as far as it goes without waiting. One that is not done goes on from there when it is awaited.
pub(super) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl AuthorizationServer {
    /// Learns what can be had without waiting; of anything else it hands back the question, which is asked.
    pub(super) fn fetch_now(
        &self,
        need: Need,
        facts: &mut Facts,
        cx: &Context<'_>,
    ) -> Result<Option<Fetching<'_>>, OAuthError> {
        let need = match need {
            Need::Client(id) => match self.parts.clients.immediate() {
                Some(clients) => match clients.client_now(&id).map_err(unavailable)? {
                    None if self.parts.registration.is_some() => Need::Client(id),
                    client => {
                        facts.learn(Fact::Client(id, client));
                        return Ok(None);
                    }
                },
                None => Need::Client(id),
            },
            Need::Records(keys) => match self.parts.store.immediate() {
                Some(store) => {
                    let mut learn = |key, record| facts.learn_record(key, record);
                    return store.load_now(&keys, &mut learn).map(|()| None).map_err(unavailable);
                }
                None => Need::Records(keys),
            },
            need => need,
        };
        let registration = match &need {
            Need::Client(id) => self.registration_in(facts, id),
            _ => None,
        };
        let mut fetching: Fetching<'_> = Box::pin(self.fetch(need, registration, cx.now));
        let Some(learned) = poll_once(fetching.as_mut()) else { return Ok(Some(fetching)) };
        learned?.into_iter().for_each(|fact| facts.learn(fact));
        Ok(None)
    }

    /// `registration` is that of the client which is asked for, where it was read already.
    async fn fetch(
        &self,
        need: Need,
        registration: Option<Option<Versioned>>,
        now: Timestamp,
    ) -> Result<Learned, OAuthError> {
        Ok(smallvec![match need {
            Need::Client(id) => return Box::pin(self.find_client(id, registration, now)).await,
            Need::Records(keys) => {
                let records = self.parts.store.load(&keys).await.map_err(unavailable)?;
                if records.len() != keys.len() {
                    return Err(
                        OAuthError::new(Reason::StoreUnavailable).detail("the store left out a record")
                    );
                }
                Fact::Records(keys.into_iter().zip(records).collect())
            }
            Need::Account(subject) => {
                let account = match &self.parts.accounts {
                    Some(accounts) => accounts.account(&subject).await.map_err(unavailable)?,
                    None => Account::Active,
                };
                Fact::Account(subject, account)
            }
            Need::Claims(subject) => {
                let claims = match &self.parts.accounts {
                    Some(accounts) => accounts.claims(&subject).await.map_err(unavailable)?,
                    None => serde_json::Map::new(),
                };
                Fact::Claims(subject, Arc::new(claims))
            }
            Need::Step(visitor) => {
                let step = match &self.parts.requirements {
                    Some(requirements) => requirements.step(&visitor).await.map_err(unavailable)?,
                    None => None,
                };
                Fact::Step(visitor, step)
            }
            Need::Resource(resource) => {
                let server = self.parts.resources.resource(&resource).await.map_err(unavailable)?;
                Fact::Resource(resource, server)
            }
            Need::SigningKeys => Fact::SigningKeys(self.parts.signer.public_keys().await.map_err(unsigned)?),
            Need::SlowHash { presented, expected } => {
                let matches = self.parts.slow_hashes.verify(presented, expected.expose().into()).await;
                Fact::SlowHash(expected, matches.map_err(|_| Reason::Overloaded)?)
            }
            Need::Allowance(counter) => {
                let allowance = self.parts.limiter.count(&counter, now).await.map_err(unavailable)?;
                Fact::Allowance(counter, allowance)
            }
            Need::Claim { marker, valid_until } => {
                let claim =
                    self.parts.replay_guard().claim(marker, valid_until).await.map_err(unavailable)?;
                Fact::Claim(marker, claim)
            }
            Need::ClientKeys(wanted) => {
                let keys = match &self.parts.client_jwks {
                    Some(jwks) => jwks.keys(&wanted).await.map_err(|error| error.0.into()),
                    None => Err("this server fetches no key sets".into()),
                };
                Fact::ClientKeys(wanted, keys)
            }
            Need::SectorDocument(uri) => {
                let document = match &self.parts.fetch {
                    Some(fetch) => Box::pin(sector_document(fetch.as_ref(), (*uri).clone())).await,
                    None => Err(FetchError::Refused("this server fetches nothing").into()),
                };
                Fact::SectorDocument(uri, document.map(Into::into).map_err(|error| error.to_string().into()))
            }
            Need::Decryption(token) => {
                let text = self.parts.decrypter.decrypt(token.expose()).await.map_err(unsigned)?;
                Fact::Decryption(token, text)
            }
            Need::RequestObject(uri) => {
                let object = match &self.parts.request_objects {
                    Some(objects) => Box::pin(objects.get(&uri, self.parts.clock.as_ref())).await,
                    None => Err("this server fetches none".into()),
                };
                Fact::RequestObject(uri, object)
            }
            Need::Registration(applicant) => {
                let verdict = match &self.parts.registration {
                    Some(policy) => policy.judge(&applicant).await.map_err(unavailable)?,
                    None => Verdict::Refuse(Refusal::Closed),
                };
                Fact::Registration(applicant, Box::new(verdict))
            }
            Need::StatementKeys(issuer) => {
                let keys = match &self.parts.registration {
                    Some(policy) => policy.statement_keys(&issuer).await.map_err(unavailable)?,
                    None => None,
                };
                Fact::StatementKeys(issuer, keys)
            }
            Need::User(enquiry) => {
                let identified = match &self.parts.authentication_device {
                    Some(device) => device.identify(&enquiry).await.map_err(unavailable)?,
                    None => Identified::Unknown,
                };
                Fact::User(enquiry, identified)
            }
            Need::Exchange(exchange) => {
                let verdict = match &self.parts.token_exchange {
                    Some(policy) => policy.judge(&exchange).await.map_err(unavailable)?,
                    None => exchange::Verdict::Refuse(exchange::Refusal::Tokens),
                };
                Fact::Exchange(exchange, Box::new(verdict))
            }
            Need::TrustedIssuer(issuer) => {
                let trust = match &self.parts.assertion_trust {
                    Some(trust) => trust.issuer(&issuer).await.map_err(unavailable)?,
                    None => None,
                };
                Fact::TrustedIssuer(issuer, trust)
            }
            Need::KnownSubject(statement) => {
                let subject = match &self.parts.assertion_trust {
                    Some(trust) => trust.subject(&statement).await.map_err(unavailable)?,
                    None => None,
                };
                Fact::KnownSubject(statement, subject.map(Box::new))
            }
            Need::Password(attempt) => {
                let verdict = match &self.parts.password_verifier {
                    Some(verifier) => verifier.verify(&attempt, now).await.map_err(unavailable)?,
                    None => PasswordVerdict::Wrong,
                };
                Fact::Password(attempt, verdict)
            }
            Need::Host(question) => {
                let grant = self.parts.extensions.iter().find(|(name, _)| *name == question.grant_type);
                let (_, grant) = grant.ok_or(Reason::GrantTypeUnsupported)?;
                let answer = grant.answer(&question.question).await.map_err(unavailable)?;
                Fact::Host(question, HostAnswer(answer))
            }
        }])
    }
}

fn unsigned(error: SignerError) -> OAuthError {
    OAuthError::new(Reason::SigningUnavailable).detail(error.0)
}
