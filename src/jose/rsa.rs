//! Which RSA public keys are safe (RFC 7518 §3.3, §6.3.1).
//!
//! Decides from the two numbers alone; a modulus that is no product of two good primes passes unless it bears the
//! mark of a known bad generator.

use super::JoseError;

/// Moduli are 2048 to 8192 bits (RFC 7518 §3.3; the upper bound keeps verification cheap).
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Small primes of which the powers of 65537 do not reach every remainder.
const MARKED: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// No leading zero (RFC 7518 §6.3.1). The modulus is odd and not of the ROCA kind, the exponent odd and from 65537 to
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
    if exponent < 65_537 || exponent & 1 == 0 || is_roca(n) { Err(JoseError::KeyStrength) } else { Ok(()) }
}

/// Whether the modulus comes from the generator whose primes are built on powers of 65537 and can be factored
/// (CVE-2017-15361): then it is such a power modulo every small prime.
fn is_roca(n: &[u8]) -> bool {
    MARKED.into_iter().all(|prime| {
        let remainder = n.iter().fold(0u32, |value, byte| ((value << 8) | u32::from(*byte)) % prime);
        std::iter::successors(Some(1), |power| Some(power * 65_537 % prime))
            .take(prime as usize)
            .any(|power| power == remainder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n`, big-endian, times `factor` plus `term`.
    fn times_plus(n: &mut [u8], factor: u32, term: u32) {
        let mut carry = term;
        for byte in n.iter_mut().rev() {
            carry += u32::from(*byte) * factor;
            *byte = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0);
    }

    #[test]
    fn a_modulus_that_is_a_power_of_65537_modulo_every_small_prime_is_refused() {
        for exponent in 0..4 {
            let mut n = [[0; 32].as_slice(), &[0xab; 256]].concat();
            MARKED.into_iter().chain([2]).for_each(|prime| times_plus(&mut n, prime, 0));
            times_plus(&mut n, 1, 1);
            (0..exponent).for_each(|_| times_plus(&mut n, 65_537, 0));
            let from = n.iter().position(|byte| *byte != 0).unwrap();
            assert_eq!(check(&n[from..], &[1, 0, 1]), Err(JoseError::KeyStrength), "65537^{exponent}");
            times_plus(&mut n, 1, 2);
            assert_eq!(check(&n[from..], &[1, 0, 1]), Ok(()));
        }
    }
}
