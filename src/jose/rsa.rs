//! Which RSA public keys are safe (RFC 7518 §3.3, §6.3.1).
//!
//! Decides from the two numbers alone; a modulus that is no product of two good primes passes.

use super::JoseError;

/// Moduli are 2048 to 8192 bits (RFC 7518 §3.3; the upper bound keeps verification cheap).
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// No leading zero (RFC 7518 §6.3.1). The modulus is odd, the exponent odd and from 65537 to
/// 2^32.
pub(super) fn check(n: &[u8], e: &[u8]) -> Result<(), JoseError> {
    let (Some(top), Some(bottom)) = (n.first(), n.last()) else {
        return Err(JoseError::KeyInvalid("n"));
    };
    if *top == 0 || bottom & 1 == 0 {
        return Err(JoseError::KeyInvalid("n"));
    }
    let bits = n.len().saturating_mul(8).saturating_sub(top.leading_zeros() as usize);
    if !BITS.contains(&bits) {
        return Err(JoseError::KeyStrength);
    }
    if e.first().is_none_or(|top| *top == 0) {
        return Err(JoseError::KeyInvalid("e"));
    }
    if e.len() > 4 {
        return Err(JoseError::KeyStrength);
    }
    let exponent = e.iter().fold(0u32, |value, byte| (value << 8) | u32::from(*byte));
    if exponent < 65_537 || exponent & 1 == 0 { Err(JoseError::KeyStrength) } else { Ok(()) }
}
