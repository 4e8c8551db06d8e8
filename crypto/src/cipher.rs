//! The block ciphers of IKE and ESP in CBC mode, without padding of their own.

use core::fmt;

use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
};
use des::TdesEde3;
use serde::{Deserialize, Serialize};

/// An encryption algorithm of an ISAKMP SA, in CBC mode.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
pub enum IkeCipher {
    /// 3DES-EDE-CBC, 24 octets of key (RFC 2451); parity bits are ignored.
    TripleDes,
    /// AES-CBC with 128 bits of key (RFC 3602).
    Aes128,
    /// AES-CBC with 192 bits of key (RFC 3602).
    Aes192,
    /// AES-CBC with 256 bits of key (RFC 3602).
    Aes256,
}

/// Why a cipher could not be run: a length that does not fit.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum CipherError {
    /// The key has not the cipher's length.
    KeyLength {
        /// The octets offered.
        len: usize,
    },
    /// The initialisation vector is not one block.
    IvLength {
        /// The octets offered.
        len: usize,
    },
    /// The data are not whole blocks.
    DataLength {
        /// The octets offered.
        len: usize,
    },
}

impl fmt::Display for CipherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyLength { len } => write!(f, "a key of {len} octets does not fit the cipher"),
            Self::IvLength { len } => write!(f, "an initialisation vector of {len} octets is not one block"),
            Self::DataLength { len } => write!(f, "{len} octets of data are not whole blocks"),
        }
    }
}

impl core::error::Error for CipherError {}

impl IkeCipher {
    /// Names the cipher of an IKE encryption attribute and its key length attribute, in bits.
    ///
    /// 5 is 3DES-CBC (RFC 2409 Appendix A), 7 is AES-CBC (RFC 3602 §5.1), which needs the key length (RFC 3602 §5.3).
    /// DES (1) is not offered.
    #[must_use]
    pub const fn from_ike(number: u16, key_bits: Option<u16>) -> Option<Self> {
        match (number, key_bits) {
            (5, None | Some(192)) => Some(Self::TripleDes),
            (7, Some(128)) => Some(Self::Aes128),
            (7, Some(192)) => Some(Self::Aes192),
            (7, Some(256)) => Some(Self::Aes256),
            _ => None,
        }
    }

    /// The length of a block and of the initialisation vector, in octets.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// The length of the key, in octets.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Encrypts whole blocks in place.
    ///
    /// # Errors
    /// When key, initialisation vector or data have a length that does not fit; the data are then unchanged.
    pub fn encrypt(&self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        Encryptor::new(*self, key)?.encrypt(iv, data)
    }

    /// Decrypts whole blocks in place.
    ///
    /// # Errors
    /// When key, initialisation vector or data have a length that does not fit; the data are then unchanged.
    pub fn decrypt(&self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        Decryptor::new(*self, key)?.decrypt(iv, data)
    }
}

/// An expanded key for encryption; the schedules are wiped on drop.
pub(crate) enum Encryptor {
    TripleDes(TdesEde3),
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl Encryptor {
    pub(crate) fn new(cipher: IkeCipher, key: &[u8]) -> Result<Self, CipherError> {
        Ok(match cipher {
            IkeCipher::TripleDes => Self::TripleDes(expand(key)?),
            IkeCipher::Aes128 => Self::Aes128(expand(key)?),
            IkeCipher::Aes192 => Self::Aes192(expand(key)?),
            IkeCipher::Aes256 => Self::Aes256(expand(key)?),
        })
    }

    pub(crate) fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        match self {
            Self::TripleDes(key) => encrypt_cbc(key, iv, data),
            Self::Aes128(key) => encrypt_cbc(key, iv, data),
            Self::Aes192(key) => encrypt_cbc(key, iv, data),
            Self::Aes256(key) => encrypt_cbc(key, iv, data),
        }
    }
}

/// An expanded key for decryption; the schedules are wiped on drop.
pub(crate) enum Decryptor {
    TripleDes(TdesEde3),
    Aes128(Aes128Dec),
    Aes192(Aes192Dec),
    Aes256(Aes256Dec),
}

impl Decryptor {
    pub(crate) fn new(cipher: IkeCipher, key: &[u8]) -> Result<Self, CipherError> {
        Ok(match cipher {
            IkeCipher::TripleDes => Self::TripleDes(expand(key)?),
            IkeCipher::Aes128 => Self::Aes128(expand(key)?),
            IkeCipher::Aes192 => Self::Aes192(expand(key)?),
            IkeCipher::Aes256 => Self::Aes256(expand(key)?),
        })
    }

    pub(crate) fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        match self {
            Self::TripleDes(key) => decrypt_cbc(key, iv, data),
            Self::Aes128(key) => decrypt_cbc(key, iv, data),
            Self::Aes192(key) => decrypt_cbc(key, iv, data),
            Self::Aes256(key) => decrypt_cbc(key, iv, data),
        }
    }
}

fn expand<C: KeyInit>(key: &[u8]) -> Result<C, CipherError> {
    C::new_from_slice(key).map_err(|_| CipherError::KeyLength { len: key.len() })
}

fn encrypt_cbc<C: BlockCipherEncrypt>(cipher: &C, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
    let iv = <&Array<u8, C::BlockSize>>::try_from(iv).map_err(|_| CipherError::IvLength { len: iv.len() })?;
    let len = data.len();
    let (blocks, []) = Array::slice_as_chunks_mut(data) else {
        return Err(CipherError::DataLength { len });
    };
    cbc::Encryptor::inner_iv_init(cipher, iv).encrypt_blocks(blocks);
    Ok(())
}

fn decrypt_cbc<C: BlockCipherDecrypt>(cipher: &C, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
    let iv = <&Array<u8, C::BlockSize>>::try_from(iv).map_err(|_| CipherError::IvLength { len: iv.len() })?;
    let len = data.len();
    let (blocks, []) = Array::slice_as_chunks_mut(data) else {
        return Err(CipherError::DataLength { len });
    };
    cbc::Decryptor::inner_iv_init(cipher, iv).decrypt_blocks(blocks);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::hex;

    const ALL: [IkeCipher; 4] = [IkeCipher::TripleDes, IkeCipher::Aes128, IkeCipher::Aes192, IkeCipher::Aes256];

    #[track_caller]
    fn check(cipher: IkeCipher, key: &str, iv: &str, clear: &[u8], sealed: &str) {
        let (key, iv, sealed) = (hex(key), hex(iv), hex(sealed));
        let mut data = clear.to_vec();
        cipher.encrypt(&key, &iv, &mut data).unwrap();
        assert_eq!(data, sealed, "{cipher:?} encrypts");
        cipher.decrypt(&key, &iv, &mut data).unwrap();
        assert_eq!(data, clear, "{cipher:?} decrypts");
    }

    #[test]
    fn aes_128_gives_the_four_cases_of_rfc_3602() {
        let cipher = IkeCipher::Aes128;
        check(
            cipher,
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            b"Single block msg",
            "e353779c1079aeb82708942dbe77181a",
        );
        check(
            cipher,
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            &(0..32).collect::<Vec<u8>>(),
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
        );
        check(
            cipher,
            "6c3ea0477630ce21a2ce334aa746c2cd",
            "c782dc4c098c66cbd9cd27d825682c81",
            b"This is a 48-byte message (exactly 3 AES blocks)",
            "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
        );
        check(
            cipher,
            "56e47a38c5598974bc46903dba290349",
            "8ce82eefbea0da3c44699ed7db51b7d9",
            &(0xa0..0xe0).collect::<Vec<u8>>(),
            "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e
             35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
        );
    }

    #[test]
    fn aes_gives_the_examples_of_nist_sp_800_38a() {
        let iv = "000102030405060708090a0b0c0d0e0f";
        let clear = hex("6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
                         30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710");
        check(
            IkeCipher::Aes128,
            "2b7e151628aed2a6abf7158809cf4f3c",
            iv,
            &clear,
            "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
             73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7",
        );
        check(
            IkeCipher::Aes192,
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            iv,
            &clear,
            "4f021db243bc633d7178183a9fa071e8 b4d9ada9ad7dedf4e5e738763f69145a
             571b242012fb7ae07fa9baac3df102e0 08b0e27988598881d920a9e64f5615cd",
        );
        check(
            IkeCipher::Aes256,
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            iv,
            &clear,
            "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
             39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
        );
    }

    #[test]
    fn triple_des_gives_the_examples_of_nist() {
        let key = "0123456789abcdef23456789abcdef01456789abcdef0123";
        let clear = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        check(
            IkeCipher::TripleDes,
            key,
            "f69f2445df4f9b17",
            &clear,
            "2079c3d53aa763e193b79e2569ab5262516570481f25b50f73c0bda85c8e0da7",
        );
        // SP 800-67 Appendix B, block by block: one block of CBC with an empty vector is the cipher itself.
        for (clear, sealed) in
            [(b"The qufc", "a826fd8ce53b855f"), (b"k brown ", "cce21c8112256fe6"), (b"fox jump", "68d5c05dd9b6b900")]
        {
            check(IkeCipher::TripleDes, key, "0000000000000000", clear, sealed);
        }
    }

    #[test]
    fn triple_des_ignores_the_parity_bits_of_its_key() {
        let key: Vec<u8> = (0..24).map(|octet| octet * 7).collect();
        let flipped: Vec<u8> = key.iter().map(|octet| octet ^ 1).collect();
        let (mut one, mut other) = ([5; 24], [5; 24]);
        IkeCipher::TripleDes.encrypt(&key, &[9; 8], &mut one).unwrap();
        IkeCipher::TripleDes.encrypt(&flipped, &[9; 8], &mut other).unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn many_blocks_come_back_as_they_were() {
        for cipher in ALL {
            let key: Vec<u8> = (1..).take(cipher.key_len()).collect();
            let iv: Vec<u8> = (100..).take(cipher.block_len()).collect();
            for blocks in 0..40 {
                let clear: Vec<u8> = (0..=255).cycle().take(blocks * cipher.block_len()).collect();
                let mut data = clear.clone();
                cipher.encrypt(&key, &iv, &mut data).unwrap();
                assert!(blocks == 0 || data != clear);
                cipher.decrypt(&key, &iv, &mut data).unwrap();
                assert_eq!(data, clear);
            }
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused_and_change_nothing() {
        for cipher in ALL {
            let (key, iv) = (vec![1; cipher.key_len()], vec![2; cipher.block_len()]);
            let mut data = vec![3; cipher.block_len() * 2];
            for run in [IkeCipher::encrypt, IkeCipher::decrypt] {
                let short = cipher.key_len() - 1;
                assert_eq!(run(&cipher, &key[1..], &iv, &mut data), Err(CipherError::KeyLength { len: short }));
                assert_eq!(run(&cipher, &key, &[], &mut data), Err(CipherError::IvLength { len: 0 }));
                let odd = data.len() - 1;
                assert_eq!(run(&cipher, &key, &iv, &mut data[1..]), Err(CipherError::DataLength { len: odd }));
            }
            assert_eq!(data, vec![3; cipher.block_len() * 2]);
        }
    }

    #[test]
    fn aes_is_named_with_its_key_length_and_des_not_at_all() {
        assert_eq!(IkeCipher::from_ike(5, None), Some(IkeCipher::TripleDes));
        assert_eq!(IkeCipher::from_ike(7, Some(128)), Some(IkeCipher::Aes128));
        assert_eq!(IkeCipher::from_ike(7, Some(192)), Some(IkeCipher::Aes192));
        assert_eq!(IkeCipher::from_ike(7, Some(256)), Some(IkeCipher::Aes256));
        for (number, bits) in [(1, None), (7, None), (7, Some(64)), (5, Some(128)), (6, None)] {
            assert_eq!(IkeCipher::from_ike(number, bits), None);
        }
    }
}
