//! Diffie-Hellman on the elliptic curves of IKE: the ECP groups (RFC 5903) and Curve25519 (RFC 8031), in constant time.
#![allow(
    unsafe_code,
    reason = "the curves come from a C library; the functions of this file are the only doors to them"
)]

use core::ffi::c_int;
use core::ptr::{self, NonNull};
use std::alloc::{Layout, handle_alloc_error};

use aws_lc_sys as sys;

use crate::Secret;
use crate::dh::{Number, allocated};

/// The octet before an uncompressed point (SEC 1 §2.3.3), which IKE leaves out.
const UNCOMPRESSED: u8 = 4;

/// The octets of a scalar, a public value and a shared secret of Curve25519 (RFC 7748 §5).
pub(crate) const X25519_LEN: usize = 32;

/// A curve over a prime field.
#[derive(Copy, Clone)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The octets of a coordinate and of a scalar.
    pub(crate) const fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn group(self) -> *const sys::EC_GROUP {
        // SAFETY: the functions have no preconditions; the groups are statics of the library.
        unsafe {
            match self {
                Self::P256 => sys::EC_group_p256(),
                Self::P384 => sys::EC_group_p384(),
                Self::P521 => sys::EC_group_p521(),
            }
        }
    }

    /// Derives a scalar between 1 and the group's order, and its public value x|y, from octets that nobody can guess.
    ///
    /// The library expands the octets (HKDF with SHA-256) to 128 bits more than the order has and reduces them, so
    /// that what is derived cannot be told from an even choice.
    pub(crate) fn generate(self, entropy: &[u8; 64]) -> (Secret<Vec<u8>>, Vec<u8>) {
        // SAFETY: pointer and length are those of one array, the group is a static of the library; the key returned
        // belongs to the value made here.
        let key =
            Key(allocated(unsafe { sys::EC_KEY_derive_from_secret(self.group(), entropy.as_ptr(), entropy.len()) }));
        let mut scalar = Secret::new(vec![0; self.field_len()]);
        let out = scalar.expose_mut();
        // SAFETY: the key lives, and with it its scalar, which is not null in a key that was derived; `out` has the
        // room that is named.
        let written = unsafe {
            let number = sys::EC_KEY_get0_private_key(key.0.as_ptr());
            sys::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), number)
        };
        if written != 1 {
            out_of_memory();
        }
        // SAFETY: the key lives, and with it its point, which is not null in a key that was derived.
        let public = unsafe { self.octets(sys::EC_KEY_get0_public_key(key.0.as_ptr())) };
        (scalar, public)
    }

    /// Computes the x coordinate of a scalar times a peer's point; `None` when the point is none of the curve.
    ///
    /// The curves have the cofactor 1: a point of the curve that is not at infinity, which has no coordinates and hence
    /// no octets here, is a point of the group (RFC 6989 §2.3).
    pub(crate) fn shared(self, scalar: &[u8], peer: &[u8]) -> Option<Secret<Vec<u8>>> {
        let point = self.point(peer)?;
        let key = self.key(scalar)?;
        let mut out = Secret::new(vec![0; self.field_len()]);
        let room = out.expose_mut();
        // SAFETY: key and point live and are of one group; `room` has the room that is named. Without a function for
        // deriving keys the library copies the coordinate, as long as the field is.
        let written = unsafe {
            sys::ECDH_compute_key(room.as_mut_ptr().cast(), room.len(), point.0.as_ptr(), key.0.as_ptr(), None)
        };
        (usize::try_from(written) == Ok(self.field_len())).then_some(out)
    }

    /// Reads x|y; `None` when that is no point of the curve.
    fn point(self, octets: &[u8]) -> Option<Point> {
        if octets.len() != 2 * self.field_len() {
            return None;
        }
        let mut encoded = vec![UNCOMPRESSED];
        encoded.extend_from_slice(octets);
        // SAFETY: the group is a static of the library; what is returned belongs to the value made here.
        let point = Point(allocated(unsafe { sys::EC_POINT_new(self.group()) }));
        // SAFETY: the point lives and is of this group; pointer and length are those of one vector; without scratch
        // space the library makes its own. It refuses coordinates that are not below the prime or not on the curve.
        let read: c_int = unsafe {
            sys::EC_POINT_oct2point(self.group(), point.0.as_ptr(), encoded.as_ptr(), encoded.len(), ptr::null_mut())
        };
        (read == 1).then_some(point)
    }

    /// Makes a key of a scalar; `None` when it is zero or not below the order.
    fn key(self, scalar: &[u8]) -> Option<Key> {
        let number = Number::from_octets(scalar);
        // SAFETY: the function has no preconditions; what it returns belongs to the value made here.
        let key = Key(allocated(unsafe { sys::EC_KEY_new() }));
        // SAFETY: the key lives; the group is a static of the library, and the library copies the number.
        let set = unsafe {
            sys::EC_KEY_set_group(key.0.as_ptr(), self.group()) == 1
                && sys::EC_KEY_set_private_key(key.0.as_ptr(), number.as_ptr()) == 1
        };
        set.then_some(key)
    }

    /// Writes a point as x|y.
    ///
    /// # Safety
    /// The point is a live one of this curve and not at infinity.
    unsafe fn octets(self, point: *const sys::EC_POINT) -> Vec<u8> {
        let mut encoded = vec![0; 1 + 2 * self.field_len()];
        // SAFETY: the point is one of the group, as the caller promises; `encoded` has the room that is named.
        let written = unsafe {
            sys::EC_POINT_point2oct(
                self.group(),
                point,
                sys::point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED,
                encoded.as_mut_ptr(),
                encoded.len(),
                ptr::null_mut(),
            )
        };
        if written != encoded.len() {
            out_of_memory();
        }
        encoded.remove(0);
        encoded
    }
}

/// A key of the C library; its scalar is wiped when it is freed.
struct Key(NonNull<sys::EC_KEY>);

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key was made by the library, is owned by this value alone and is freed once.
        unsafe { sys::EC_KEY_free(self.0.as_ptr()) }
    }
}

/// A point of the C library.
struct Point(NonNull<sys::EC_POINT>);

impl Drop for Point {
    fn drop(&mut self) {
        // SAFETY: the point was made by the library, is owned by this value alone and is freed once.
        unsafe { sys::EC_POINT_free(self.0.as_ptr()) }
    }
}

/// Computes the public value of a scalar on Curve25519; the scalar is clamped on the way (RFC 7748 §5).
pub(crate) fn x25519_public(scalar: &[u8; X25519_LEN]) -> [u8; X25519_LEN] {
    let mut public = [0; X25519_LEN];
    // SAFETY: both pointers are to arrays of the length the function works on.
    unsafe { sys::X25519_public_from_private(public.as_mut_ptr(), scalar.as_ptr()) }
    public
}

/// Computes the shared secret on Curve25519; `None` when it is zero, which a peer's point of small order makes it.
pub(crate) fn x25519(scalar: &[u8; X25519_LEN], peer: &[u8; X25519_LEN]) -> Option<Secret<Vec<u8>>> {
    let mut out = Secret::new(vec![0; X25519_LEN]);
    // SAFETY: all three pointers are to as many octets as the function works on.
    let computed = unsafe { sys::X25519(out.expose_mut().as_mut_ptr(), scalar.as_ptr(), peer.as_ptr()) };
    (computed == 1).then_some(out)
}

/// The inputs are sound: what remains is want of memory, which ends the process as elsewhere in Rust.
fn out_of_memory() -> ! {
    handle_alloc_error(Layout::new::<sys::BIGNUM>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::hex;

    fn public_of(curve: Curve, scalar: &[u8]) -> Vec<u8> {
        // A scalar times the generator, by way of the library's own multiplication.
        // SAFETY: the group is a static of the library; what is returned belongs to the value made here.
        let point = Point(allocated(unsafe { sys::EC_POINT_new(curve.group()) }));
        let number = Number::from_octets(scalar);
        // SAFETY: point and number live and are of the group; what may be null is.
        unsafe {
            let done = sys::EC_POINT_mul(
                curve.group(),
                point.0.as_ptr(),
                number.as_ptr(),
                ptr::null(),
                ptr::null(),
                ptr::null_mut(),
            );
            assert_eq!(done, 1);
            curve.octets(point.0.as_ptr())
        }
    }

    /// RFC 5903 §8: the curve, then for either side the scalar and the public value, then the shared secret.
    const RFC_5903: [(Curve, [&str; 2], [&str; 2], &str); 3] = [
        (
            Curve::P256,
            [
                "C88F01F5 10D9AC3F 70A292DA A2316DE5 44E9AAB8 AFE84049 C62A9C57 862D1433",
                "DAD0B653 94221CF9 B051E1FE CA5787D0 98DFE637 FC90B9EF 945D0C37 72581180
                 5271A046 1CDB8252 D61F1C45 6FA3E59A B1F45B33 ACCF5F58 389E0577 B8990BB3",
            ],
            [
                "C6EF9C5D 78AE012A 011164AC B397CE20 88685D8F 06BF9BE0 B283AB46 476BEE53",
                "D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C 736FC755 4494BF63
                 56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83 53E74F33 039872AB",
            ],
            "D6840F6B 42F6EDAF D13116E0 E1256520 2FEF8E9E CE7DCE03 812464D0 4B9442DE",
        ),
        (
            Curve::P384,
            [
                "099F3C70 34D4A2C6 99884D73 A375A67F 7624EF7C 6B3C0F16 0647B674 14DCE655 E35B5380 41E649EE 3FAEF896
                 783AB194",
                "667842D7 D180AC2C DE6F74F3 7551F557 55C7645C 20EF73E3 1634FE72 B4C55EE6 DE3AC808 ACB4BDB4 C88732AE
                 E95F41AA 9482ED1F C0EEB9CA FC498462 5CCFC23F 65032149 E0E144AD A0241815 35A0F38E EB9FCFF3 C2C947DA
                 E69B4C63 4573A81C",
            ],
            [
                "41CB0779 B4BDB85D 47846725 FBEC3C94 30FAB46C C8DC5060 855CC9BD A0AA2942 E0308312 916B8ED2 960E4BD5
                 5A7448FC",
                "E558DBEF 53EECDE3 D3FCCFC1 AEA08A89 A987475D 12FD950D 83CFA417 32BC509D 0D1AC43A 0336DEF9 6FDA41D0
                 774A3571 DCFBEC7A ACF31964 72169E83 8430367F 66EEBE3C 6E70C416 DD5F0C68 759DD1FF F83FA401 42209DFF
                 5EAAD96D B9E6386C",
            ],
            "11187331 C279962D 93D60424 3FD592CB 9D0A926F 422E4718 7521287E 7156C5C4 D6031355 69B9E9D0 9CF5D4A2
             70F59746",
        ),
        (
            Curve::P521,
            [
                "0037ADE9 319A89F4 DABDB3EF 411AACCC A5123C61 ACAB57B5 393DCE47 608172A0 95AA85A3 0FE1C295 2C6771D9
                 37BA9777 F5957B26 39BAB072 462F68C2 7A57382D 4A52",
                "0015417E 84DBF28C 0AD3C278 713349DC 7DF153C8 97A1891B D98BAB43 57C9ECBE E1E3BF42 E00B8E38 0AEAE57C
                 2D107564 94188594 2AF5A7F4 601723C4 195D176C ED3E 017C AE20B664 1D2EEB69 5786D8C9 46146239 D099E18E
                 1D5A514C 739D7CB4 A10AD8A7 88015AC4 05D7799D C75E7B7D 5B6CF226 1A6A7F15 07438BF0 1BEB6CA3 926F9582",
            ],
            [
                "0145BA99 A847AF43 793FDD0E 872E7CDF A16BE30F DC780F97 BCCC3F07 8380201E 9C677D60 0B343757 A3BDBF2A
                 3163E4C2 F869CCA7 458AA4A4 EFFC311F 5CB15168 5EB9",
                "00D0B397 5AC4B799 F5BEA16D 5E13E9AF 971D5E9B 984C9F39 728B5E57 39735A21 9B97C356 436ADC6E 95BB0352
                 F6BE64A6 C2912D4E F2D0433C ED2B6171 640012D9 460F 015C 68226383 956E3BD0 66E797B6 23C27CE0 EAC2F551
                 A10C2C72 4D985207 7B87220B 6536C5C4 08A1D2AE BB8E86D6 78AE49CB 57091F47 32296579 AB44FCD1 7F0FC56A",
            ],
            "01144C7D 79AE6956 BC8EDB8E 7C787C45 21CB086F A64407F9 7894E5E6 B2D79B04 D1427E73 CA4BAA24 0A347868
             59810C06 B3C715A3 A8CC3151 F2BEE417 996D19F3 DDEA",
        ),
    ];

    #[test]
    fn the_vectors_of_rfc_5903_come_out() {
        for (curve, i, r, secret) in RFC_5903 {
            let [(i, gi), (r, gr)] = [i, r].map(|[scalar, public]| (hex(scalar), hex(public)));
            assert_eq!((public_of(curve, &i), public_of(curve, &r)), (gi.clone(), gr.clone()));
            assert_eq!(*curve.shared(&i, &gr).unwrap().expose(), hex(secret));
            assert_eq!(*curve.shared(&r, &gi).unwrap().expose(), hex(secret));
        }
    }

    #[test]
    fn points_that_are_not_on_the_curve_are_refused() {
        for (curve, [scalar, public], ..) in RFC_5903 {
            let (scalar, public) = (hex(scalar), hex(public));
            let len = curve.field_len();
            for at in [0, len - 1, len, 2 * len - 1] {
                let mut off = public.clone();
                off[at] ^= 1;
                assert!(curve.shared(&scalar, &off).is_none(), "octet {at}");
            }
            // The origin, which stands for infinity in some implementations, and coordinates beyond the prime.
            assert!(curve.shared(&scalar, &vec![0; 2 * len]).is_none());
            assert!(curve.shared(&scalar, &vec![0xff; 2 * len]).is_none());
            for odd in [0, 1, len, 2 * len - 1, 2 * len + 1] {
                assert!(curve.shared(&scalar, &vec![2; odd]).is_none(), "{odd} octets");
            }
            // With the leading octet of other protocols.
            assert!(curve.shared(&scalar, &[&[4], public.as_slice()].concat()).is_none());
        }
    }

    #[test]
    fn scalars_that_are_none_make_no_secret() {
        for (curve, [_, public], ..) in RFC_5903 {
            let public = hex(public);
            for bad in [vec![], vec![0; curve.field_len()], vec![0xff; curve.field_len()], vec![0xff; 200]] {
                assert!(curve.shared(&bad, &public).is_none());
            }
        }
    }

    #[test]
    fn a_derived_scalar_belongs_to_its_public_value() {
        for (curve, ..) in RFC_5903 {
            for first in 0..20 {
                let (scalar, public) = curve.generate(&[first; 64]);
                assert_eq!(public, public_of(curve, scalar.expose()));
            }
        }
    }

    /// RFC 7748 §6.1.
    #[test]
    fn the_vectors_of_rfc_7748_come_out() {
        let octets = |text: &str| -> [u8; 32] { hex(text).try_into().unwrap() };
        let a = octets("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let ga = octets("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let b = octets("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let gb = octets("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        let secret = octets("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!((x25519_public(&a), x25519_public(&b)), (ga, gb));
        assert_eq!(x25519(&a, &gb).unwrap().expose().as_slice(), secret);
        assert_eq!(x25519(&b, &ga).unwrap().expose().as_slice(), secret);
    }

    #[test]
    fn points_of_small_order_make_no_secret() {
        let mut one = [0; 32];
        one[0] = 1;
        // p - 1, of order 2; p and p + 1, which are 0 and 1 again.
        let near = |last: u8| {
            let mut p = [0xff; 32];
            (p[0], p[31]) = (last, 0x7f);
            p
        };
        for small in [[0; 32], one, near(0xec), near(0xed), near(0xee)] {
            assert!(x25519(&[7; 32], &small).is_none());
        }
    }
}
