//! AES in the counter modes of ESP: GCM, which authenticates as well (RFC 4106), and CTR (RFC 3686).
//!
//! Both fall apart when a nonce occurs twice under a key: what two packets have in common with the keystream shows, and
//! with GCM packets can be forged. The nonce is the salt of the SA and the vector in the packet, and [`write_iv`] ends
//! the vector with the packet's sequence number, which ESP never gives out twice in an SA (RFC 4303 §3.3.3). Without
//! extended sequence numbers that is all there is to keep apart. The octets before it come from the generator: should a
//! state kept over a restart ever be older than it ought to be, a number given out again still meets another vector.
#![allow(
    unsafe_code,
    reason = "the ciphers come from a C library; the methods of this file are the only doors to them"
)]

use core::ffi::c_uint;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use aws_lc_sys as sys;
use zeroize::Zeroize;

use super::suite::{COUNTER_IV, GCM_ICV, SALT};
use super::{HEADER, Ivs};
use crate::dh::allocated;

/// The octets of GCM's nonce: salt and vector.
const NONCE: usize = SALT + COUNTER_IV;

/// Writes the vector of a packet that is to be sealed: four octets from the generator, then the sequence number.
pub(super) fn write_iv(iv: &mut [u8], sequence: [u8; 4], ivs: &mut Ivs) -> Option<()> {
    let (fresh, last) = iv.split_last_chunk_mut()?;
    ivs.fill(fresh);
    *last = sequence;
    Some(())
}

/// Cuts what a counter mode takes of KEYMAT into key and salt.
fn split(keymat: &[u8]) -> Option<(&[u8], [u8; SALT])> {
    let (key, salt) = keymat.split_last_chunk()?;
    Some((key, *salt))
}

fn nonce(salt: [u8; SALT], iv: &[u8]) -> Option<[u8; NONCE]> {
    let mut nonce = [0; NONCE];
    let (first, last) = nonce.split_first_chunk_mut()?;
    *first = salt;
    let last: &mut [u8; COUNTER_IV] = last.try_into().ok()?;
    *last = *iv.as_array()?;
    Some(nonce)
}

/// AES-GCM under one key.
pub(super) struct Gcm {
    context: NonNull<sys::EVP_AEAD_CTX>,
    salt: [u8; SALT],
}

// SAFETY: the context belongs to this value alone and has no ties to a thread.
unsafe impl Send for Gcm {}
// SAFETY: sealing and opening take the context as constant and may be done by many threads at once.
unsafe impl Sync for Gcm {}

impl Gcm {
    /// Expands key and salt; `None` when their length fits no AES.
    pub(super) fn new(keymat: &[u8]) -> Option<Self> {
        let (key, salt) = split(keymat)?;
        // SAFETY: the functions have no preconditions; they return statics of the library.
        let algorithm = unsafe {
            match key.len() {
                16 => sys::EVP_aead_aes_128_gcm(),
                24 => sys::EVP_aead_aes_192_gcm(),
                32 => sys::EVP_aead_aes_256_gcm(),
                _ => return None,
            }
        };
        // SAFETY: pointer and length are those of one slice, of the algorithm's length; the context returned belongs
        // to the value made here.
        let context = unsafe { sys::EVP_AEAD_CTX_new(algorithm, key.as_ptr(), key.len(), GCM_ICV) };
        Some(Self { context: allocated(context), salt })
    }

    /// Encrypts a packet in place and writes its ICV; `None` when it is too short.
    ///
    /// SPI and sequence number are authenticated beside it (RFC 4106 §5).
    pub(super) fn seal(&self, packet: &mut [u8]) -> Option<()> {
        let (header, iv, inner) = cut(packet)?;
        let nonce = nonce(self.salt, iv)?;
        let clear = inner.len().checked_sub(GCM_ICV)?;
        let mut written = 0;
        // SAFETY: the context lives; `inner` is what goes in, without the ICV, and the room for what comes out, both
        // beginning at the same octet, which the library allows; all lengths are those of their slices.
        let sealed = unsafe {
            sys::EVP_AEAD_CTX_seal(
                self.context.as_ptr(),
                inner.as_mut_ptr(),
                &mut written,
                inner.len(),
                nonce.as_ptr(),
                nonce.len(),
                inner.as_ptr(),
                clear,
                header.as_ptr(),
                header.len(),
            )
        };
        (sealed == 1 && written == inner.len()).then_some(())
    }

    /// Decrypts a packet in place; `None` when it is not authentic, and then what was encrypted has been wiped.
    pub(super) fn open(&self, packet: &mut [u8]) -> Option<()> {
        let (header, iv, inner) = cut(packet)?;
        let nonce = nonce(self.salt, iv)?;
        let mut written = 0;
        // SAFETY: the context lives; `inner` is what goes in and the room for what comes out, both beginning at the
        // same octet, which the library allows; all lengths are those of their slices.
        let opened = unsafe {
            sys::EVP_AEAD_CTX_open(
                self.context.as_ptr(),
                inner.as_mut_ptr(),
                &mut written,
                inner.len(),
                nonce.as_ptr(),
                nonce.len(),
                inner.as_ptr(),
                inner.len(),
                header.as_ptr(),
                header.len(),
            )
        };
        (opened == 1).then_some(())
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        self.salt.zeroize();
        // SAFETY: the context was made by the library, is owned by this value alone and is freed once; the library
        // wipes what it frees.
        unsafe { sys::EVP_AEAD_CTX_free(self.context.as_ptr()) }
    }
}

/// Cuts a packet into header, vector, and what is encrypted with the ICV.
fn cut(packet: &mut [u8]) -> Option<(&mut [u8], &mut [u8], &mut [u8])> {
    let (header, rest) = packet.split_at_mut_checked(HEADER)?;
    let (iv, inner) = rest.split_at_mut_checked(COUNTER_IV)?;
    Some((header, iv, inner))
}

/// AES-CTR under one key; encryption and decryption are the same.
pub(super) struct Ctr {
    key: Box<sys::AES_KEY>,
    nonce: [u8; SALT],
}

impl Ctr {
    /// Expands key and nonce; `None` when their length fits no AES.
    pub(super) fn new(keymat: &[u8]) -> Option<Self> {
        let (key, nonce) = split(keymat)?;
        let bits = match key.len() {
            16 => 128,
            24 => 192,
            32 => 256,
            _ => return None,
        };
        let mut schedule: Box<MaybeUninit<sys::AES_KEY>> = Box::new(MaybeUninit::zeroed());
        // SAFETY: the key has as many bits as are named; `schedule` has room for a schedule, and the library only
        // writes there.
        let expanded = unsafe { sys::AES_set_encrypt_key(key.as_ptr(), bits, schedule.as_mut_ptr()) };
        // SAFETY: zeros are a value of the type, whatever the library wrote over them.
        let key = unsafe { schedule.assume_init() };
        (expanded == 0).then_some(Self { key, nonce })
    }

    /// Encrypts or decrypts in place; `None` when the vector has not its length.
    pub(super) fn apply(&self, iv: &[u8], data: &mut [u8]) -> Option<()> {
        // Nonce, vector and a count of blocks that begins with 1 (RFC 3686 §4).
        let mut block = [0; 16];
        let (first, count) = block.split_first_chunk_mut()?;
        *first = nonce(self.nonce, iv)?;
        *count.last_mut()? = 1;
        let (mut keystream, mut used): ([u8; 16], c_uint) = ([0; 16], 0);
        // SAFETY: the schedule lives; `data` goes in and comes out at the same octets, which the library allows; the
        // two blocks have 16 octets each, and nothing of the second has been used.
        unsafe {
            sys::AES_ctr128_encrypt(
                data.as_ptr(),
                data.as_mut_ptr(),
                data.len(),
                &raw const *self.key,
                block.as_mut_ptr(),
                keystream.as_mut_ptr(),
                &mut used,
            );
        }
        Some(())
    }
}

impl Drop for Ctr {
    fn drop(&mut self) {
        self.nonce.zeroize();
        self.key.rd_key.zeroize();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::hex;

    /// RFC 3686 §6: key, nonce and vector, clear, sealed.
    #[test]
    fn the_nine_vectors_of_rfc_3686_come_out() {
        let count: Vec<u8> = (0..36).collect();
        let text = b"Single block msg".to_vec();
        for (keymat, iv, clear, sealed) in [
            (
                "AE6852F8121067CC4BF7A5765577F39E 00000030",
                "0000000000000000",
                text.clone(),
                "E4095D4FB7A7B3792D6175A3261311B8",
            ),
            (
                "7E24067817FAE0D743D6CE1F32539163 006CB6DB",
                "C0543B59DA48D90B",
                count[..32].to_vec(),
                "5104A106168A72D9790D41EE8EDAD388 EB2E1EFC46DA57C8FCE630DF9141BE28",
            ),
            (
                "7691BE035E5020A8AC6E618529F9A0DC 00E0017B",
                "27777F3F4A1786F0",
                count.clone(),
                "C1CF48A89F2FFDD9CF4652E9EFDB72D7 4540A42BDE6D7836D59A5CEAAEF31053 25B2072F",
            ),
            (
                "16AF5B145FC9F579C175F93E3BFB0EED863D06CCFDB78515 00000048",
                "36733C147D6D93CB",
                text.clone(),
                "4B55384FE259C9C84E7935A003CBE928",
            ),
            (
                "7C5CB2401B3DC33C19E7340819E0F69C678C3DB8E6F6A91A 0096B03B",
                "020C6EADC2CB500D",
                count[..32].to_vec(),
                "453243FC609B23327EDFAAFA7131CD9F 8490701C5AD4A79CFC1FE0FF42F4FB00",
            ),
            (
                "02BF391EE8ECB159B959617B0965279BF59B60A786D3E0FE 0007BDFD",
                "5CBD60278DCC0912",
                count.clone(),
                "96893FC55E5C722F540B7DD1DDF7E758 D288BC95C69165884536C811662F2188 ABEE0935",
            ),
            (
                "776BEFF2851DB06F4C8A0542C8696F6C6A81AF1EEC96B4D37FC1D689E6C1C104 00000060",
                "DB5672C97AA8F0B2",
                text,
                "145AD01DBF824EC7560863DC71E3E0C0",
            ),
            (
                "F6D66D6BD52D59BB0796365879EFF886C66DD51A5B6A99744B50590C87A23884 00FAAC24",
                "C1585EF15A43D875",
                count[..32].to_vec(),
                "F05E231B3894612C49EE000B804EB2A9 B8306B508F839D6A5530831D9344AF1C",
            ),
            (
                "FF7A617CE69148E4F1726E2F43581DE2AA62D9F805532EDFF1EED687FB54153D 001CC5B7",
                "51A51D70A1C11148",
                count.clone(),
                "EB6C52821D0BBBF7CE7594462ACA4FAA B407DF866569FD07F48CC0B583D6071F 1EC0E6B8",
            ),
        ] {
            let ctr = Ctr::new(&hex(keymat)).unwrap();
            let mut data = clear.clone();
            ctr.apply(&hex(iv), &mut data).unwrap();
            assert_eq!(data, hex(sealed));
            ctr.apply(&hex(iv), &mut data).unwrap();
            assert_eq!(data, clear);
        }
    }

    /// Cases of "Test Cases for the use of GCM in IPsec ESP" (draft-mcgrew-gcm-test-01) with sequence numbers of 32
    /// bits, in which the inside holds padding and trailer: key and salt, header, vector, clear, sealed with ICV.
    const PACKETS: [(&str, &str, &str, &str, &str); 5] = [
        (
            "feffe9928665731c6d6a8f9467308308 cafebabe",
            "0000a5f80000000a",
            "facedbaddecaf888",
            "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100
             0001000000000000037369700963796265726369747902646b00000100010001",
            "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c
             3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd1
             83b70d3aa8bc6ee4c309e9d85a41ad4a",
        ),
        (
            "abbccddef00112233445566778899aababbccddef00112233445566778899aab 11223344",
            "4a2cbfe300000002",
            "0102030405060708",
            "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000
             7002400020bf0000020405b40101040201020201",
            "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763
             748a637985771d347f0545659f14e99def842d8e b335f4eecfdbf831824b4c4915956c96",
        ),
        (
            "00000000000000000000000000000000 00000000",
            "0000000000000001",
            "0000000000000000",
            "4500003c99c500008001cb7a40679318010101010800075c0200440061626364
             65666768696a6b6c6d6e6f707172737475767761626364656667686901020201",
            "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284
             456476492719ffb64de7d9dca1e1d894bc3bd57873ed4d181d19d4d5c8c18af3
             f821d496eeb096e98ad2b69e4799c71d",
        ),
        (
            "feffe9928665731c6d6a8f9467308308feffe9928665731c cafebabe",
            "0000a5f80000000a",
            "facedbaddecaf888",
            "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e
             501016d075680001",
            "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0
             315b27452144cc77 95457b9652037f5318027b5b4cd7a636",
        ),
        (
            "7d773d00c144c525ac619d18c84a3f47 d9664267",
            "335467aeffffffff",
            "43457e9182443bc6",
            "01020201",
            "437f866b cb3f699fe9b0822bac961c4504bef270",
        ),
    ];

    #[test]
    fn the_packets_of_the_gcm_test_cases_are_sealed_and_opened() {
        for (keymat, header, iv, clear, sealed) in PACKETS {
            let gcm = Gcm::new(&hex(keymat)).unwrap();
            let clear = [hex(header), hex(iv), hex(clear)].concat();
            let sealed = [hex(header), hex(iv), hex(sealed)].concat();
            let mut packet = clear.clone();
            packet.resize(sealed.len(), 0);
            gcm.seal(&mut packet).unwrap();
            assert_eq!(packet, sealed);
            gcm.open(&mut packet).unwrap();
            assert_eq!(packet[..clear.len()], clear);
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert!(gcm.open(&mut changed).is_none(), "octet {at}");
                assert!(changed[16..].iter().all(|octet| *octet == 0), "nothing of it is left");
            }
        }
    }

    #[test]
    fn packets_and_keys_of_no_length_are_refused() {
        for len in [0, 3, 4, 16, 19, 21, 35, 37] {
            assert!(Gcm::new(&vec![1; len]).is_none() && Ctr::new(&vec![1; len]).is_none());
        }
        let (gcm, ctr) = (Gcm::new(&[1; 20]).unwrap(), Ctr::new(&[1; 20]).unwrap());
        for len in 0..32 {
            assert!(gcm.seal(&mut vec![0; len]).is_none() && gcm.open(&mut vec![0; len]).is_none());
        }
        for len in [0, 7, 9, 16] {
            assert!(ctr.apply(&vec![0; len], &mut [0; 16]).is_none());
        }
    }

    #[test]
    fn a_vector_ends_with_the_sequence_number() {
        let mut ivs = Ivs::new([1; 32]);
        let [mut one, mut other] = [[0; COUNTER_IV]; 2];
        write_iv(&mut one, [0, 0, 0, 7], &mut ivs).unwrap();
        write_iv(&mut other, [0, 0, 0, 7], &mut ivs).unwrap();
        assert_eq!((&one[4..], &other[4..]), (&[0, 0, 0, 7][..], &[0, 0, 0, 7][..]));
        assert_ne!(one[..4], other[..4]);
    }
}
