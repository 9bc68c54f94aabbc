//! Argon2id off the async thread: a few threads of its own and a short queue. For client secrets that a person may
//! have chosen, and for the passwords of the host's users.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use futures_channel::oneshot;

use crate::protocol::Secret;

/// How many hashes are computed at once.
const WORKERS: usize = 2;
/// How many may wait; beyond that the server says that it is busy.
const QUEUE: usize = 64;

/// Hashes a secret that a person may have chosen, with Argon2id (19 MiB, two passes, one lane), as a PHC string.
/// It takes tens of milliseconds: call it where clients are registered, not where requests are answered.
///
/// # Errors
/// A description, when the secret is too long for Argon2 or the system has no randomness.
pub fn hash_secret(secret: &str) -> Result<String, String> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| error.to_string())?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(secret.as_bytes(), &salt)
        .map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

fn verify(presented: &Secret, expected: &str) -> bool {
    PasswordHash::new(expected)
        .is_ok_and(|hash| Argon2::default().verify_password(presented.expose().as_bytes(), &hash).is_ok())
}

struct Job {
    presented: Secret,
    expected: Arc<str>,
    answer: oneshot::Sender<bool>,
}

/// Threads that verify slow hashes. They start with the first job and end when the pool is dropped.
#[derive(Debug, Default)]
pub struct SlowHashPool {
    queue: Mutex<Option<SyncSender<Job>>>,
}

/// The pool has as much to do as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many slow hashes are waiting to be verified")]
pub struct Busy;

impl SlowHashPool {
    /// Whether `presented` is the secret behind `expected`, a hash made by [`hash_secret`]. Where there is no such
    /// hash, because there is no such user, verify [`DUMMY_ARGON2`](crate::client::secret::DUMMY_ARGON2) instead:
    /// it takes as long and never matches.
    ///
    /// # Errors
    /// [`Busy`] when too many are waiting; the answer is then 503.
    pub async fn verify(&self, presented: Secret, expected: Arc<str>) -> Result<bool, Busy> {
        let (answer, result) = oneshot::channel();
        self.send(Job { presented, expected, answer })?;
        result.await.map_err(|_| Busy)
    }

    fn send(&self, job: Job) -> Result<(), Busy> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = queue.get_or_insert_with(start);
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Busy,
        })
    }
}

fn start() -> SyncSender<Job> {
    let (sender, receiver) = sync_channel::<Job>(QUEUE);
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..WORKERS {
        let receiver = Arc::clone(&receiver);
        std::thread::spawn(move || {
            loop {
                let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(job) = job else { return };
                if !job.answer.is_canceled() {
                    let _ = job.answer.send(verify(&job.presented, &job.expected));
                }
            }
        });
    }
    sender
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::secret::DUMMY_ARGON2;

    #[test]
    fn a_secret_matches_its_own_hash_and_no_other() {
        let hash = hash_secret("correct horse").unwrap();
        assert!(verify(&Secret::new("correct horse"), &hash));
        assert!(!verify(&Secret::new("battery staple"), &hash));
        assert!(!verify(&Secret::new(hash.clone()), &hash), "the hash itself is not the secret");
    }

    #[test]
    fn the_dummy_hash_costs_what_a_real_one_costs() {
        let (dummy, real) = (PasswordHash::new(DUMMY_ARGON2).unwrap(), hash_secret("x").unwrap());
        let real = PasswordHash::new(&real).unwrap();
        assert_eq!(dummy.algorithm, real.algorithm);
        assert_eq!(dummy.params, real.params);
        assert_eq!(dummy.hash.unwrap().as_bytes().len(), real.hash.unwrap().as_bytes().len());
        assert!(!verify(&Secret::new("x"), DUMMY_ARGON2));
    }
}
