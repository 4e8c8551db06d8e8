//! Assigned numbers: drawn once, unknown ones survive a round trip.

/// Draws an enumeration of assigned numbers with an `Unknown` variant for all the others.
///
/// `From<number>` never yields `Unknown` for a number that is drawn, so that comparing with a name is enough.
macro_rules! number {
    (
        $(#[$outer:meta])*
        pub enum $name:ident: $int:ty {
            $( $(#[$inner:meta])* $variant:ident = $value:literal ),+ $(,)?
        }
    ) => {
        $(#[$outer])*
        #[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
        pub enum $name {
            $(
                $(#[$inner])*
                #[doc = concat!("Assigned number ", stringify!($value), ".")]
                $variant,
            )+
            /// A number without a name here.
            Unknown($int),
        }

        impl From<$int> for $name {
            fn from(number: $int) -> Self {
                match number {
                    $( $value => Self::$variant, )+
                    other => Self::Unknown(other),
                }
            }
        }

        impl From<$name> for $int {
            fn from(name: $name) -> Self {
                match name {
                    $( $name::$variant => $value, )+
                    $name::Unknown(other) => other,
                }
            }
        }
    };
}

pub(crate) use number;

#[cfg(test)]
mod tests {
    #![allow(unnameable_types, reason = "number! draws public types")]

    number! {
        /// A number for the tests.
        pub enum Colour: u8 { Red = 1, Blue = 7 }
    }

    #[test]
    fn every_number_survives_a_round_trip() {
        for number in 0..=u8::MAX {
            assert_eq!(u8::from(Colour::from(number)), number);
        }
        assert_eq!(Colour::from(7), Colour::Blue);
        assert_eq!(Colour::from(8), Colour::Unknown(8));
    }
}
