//! Ids of derived events: name-based, so that a replay yields the same ones.

/// The bits of a name: its space, the cause's id, the place.
const NAME_BITS: u64 = 8 * (16 + 16 + 4);
/// What SHA-1 begins with (FIPS 180-4, 5.3.1).
const INITIAL: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];

/// The id of the event that a step derives from an event: a UUID of version 5, of the cause's id and the place (which leg) within the
/// step's name space.
#[must_use]
pub fn derived(namespace: u128, cause: u128, place: u32) -> u128 {
    // The name fits into one block of SHA-1: its bytes, a bit that is set, zeros, its length in bits.
    let mut block = [0; 64];
    block[..16].copy_from_slice(&namespace.to_be_bytes());
    block[16..32].copy_from_slice(&cause.to_be_bytes());
    block[32..36].copy_from_slice(&place.to_be_bytes());
    block[36] = 0x80;
    block[56..].copy_from_slice(&NAME_BITS.to_be_bytes());
    let mut hash = INITIAL;
    sha1::compress(&mut hash, &[block.into()]);
    let [a, b, c, d, _] = hash.map(u128::from);
    uuid::Builder::from_sha1_bytes((a << 96 | b << 64 | c << 32 | d).to_be_bytes()).into_uuid().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_version_5_uuid_of_cause_and_place() {
        let (namespace, cause) = (0x1234_u128, 0x5678_u128);
        let name: Vec<u8> = cause.to_be_bytes().into_iter().chain(2_u32.to_be_bytes()).collect();
        let expected = uuid::Uuid::new_v5(&uuid::Uuid::from_u128(namespace), &name);
        assert_eq!(derived(namespace, cause, 2), expected.as_u128());
        assert_ne!(derived(namespace, cause, 2), derived(namespace, cause, 1));
    }
}
