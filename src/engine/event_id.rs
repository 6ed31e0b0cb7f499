//! Ids of derived events: name-based, so that a replay yields the same ones.

use sha1::{Digest as _, Sha1};

/// The id of the event that a step derives from an event: a UUID of version 5, of the cause's id and the place (which leg) within the
/// step's name space.
#[must_use]
pub fn derived(namespace: u128, cause: u128, place: u32) -> u128 {
    let mut name = [0_u8; 36];
    let (space, rest) = name.split_at_mut(16);
    let (id, leg) = rest.split_at_mut(16);
    space.copy_from_slice(&namespace.to_be_bytes());
    id.copy_from_slice(&cause.to_be_bytes());
    leg.copy_from_slice(&place.to_be_bytes());
    let hash: [u8; 20] = Sha1::digest(name).into();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(hash.get(..16).unwrap_or(&[0; 16]));
    uuid::Builder::from_sha1_bytes(bytes).into_uuid().as_u128()
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
