//! The currencies of ISO 4217 and their minor units.

use crate::engine::pen::Put;
use crate::engine::value::Currency;

/// Each code with the number of decimals of its minor unit (ISO 4217 List One; funds and metals, which have none, are left out).
const LISTED: &str = "AED2 AFN2 ALL2 AMD2 ANG2 AOA2 ARS2 AUD2 AWG2 AZN2 BAM2 BBD2 BDT2 BGN2 BHD3 BIF0 BMD2 BND2 BOB2 BOV2 BRL2 BSD2 BTN2 BWP2 \
     BYN2 BZD2 CAD2 CDF2 CHE2 CHF2 CHW2 CLF4 CLP0 CNY2 COP2 COU2 CRC2 CUP2 CVE2 CZK2 DJF0 DKK2 DOP2 DZD2 EGP2 ERN2 ETB2 EUR2 \
     FJD2 FKP2 GBP2 GEL2 GHS2 GIP2 GMD2 GNF0 GTQ2 GYD2 HKD2 HNL2 HTG2 HUF2 IDR2 ILS2 INR2 IQD3 IRR2 ISK0 JMD2 JOD3 JPY0 KES2 \
     KGS2 KHR2 KMF0 KPW2 KRW0 KWD3 KYD2 KZT2 LAK2 LBP2 LKR2 LRD2 LSL2 LYD3 MAD2 MDL2 MGA2 MKD2 MMK2 MNT2 MOP2 MRU2 MUR2 MVR2 \
     MWK2 MXN2 MXV2 MYR2 MZN2 NAD2 NGN2 NIO2 NOK2 NPR2 NZD2 OMR3 PAB2 PEN2 PGK2 PHP2 PKR2 PLN2 PYG0 QAR2 RON2 RSD2 RUB2 RWF0 \
     SAR2 SBD2 SCR2 SDG2 SEK2 SGD2 SHP2 SLE2 SOS2 SRD2 SSP2 STN2 SVC2 SYP2 SZL2 THB2 TJS2 TMT2 TND3 TOP2 TRY2 TTD2 TWD2 TZS2 \
     UAH2 UGX0 USD2 USN2 UYI0 UYU2 UYW4 UZS2 VED2 VES2 VND0 VUV0 WST2 XAF0 XCD2 XCG2 XOF0 XPF0 YER2 ZAR2 ZMW2 ZWG2";
/// Characters of an entry, and the space behind it.
const ENTRY: usize = 5;

impl Currency {
    /// The currency of a code.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        let it = Self(code.as_bytes().try_into().ok()?);
        it.listed().filter(|listed| *listed == code).map(|_| it)
    }

    /// How many decimals its minor unit has; 0 when ISO 4217 does not know the code.
    #[inline]
    #[must_use]
    pub fn minor_units(self) -> u32 {
        MINOR_UNITS[place(self.0)].into()
    }

    /// Appends the code.
    #[inline]
    pub fn write(self, into: &mut impl Put) {
        let [a, b, c] = self.0;
        into.put([a, b, c, 0], LETTERS);
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.listed().and_then(|it| it.get(..3)).unwrap_or("???")
    }

    fn listed(self) -> Option<&'static str> {
        let number = usize::from(NUMBERS[place(self.0)]).checked_sub(1)?;
        LISTED.get(number * ENTRY..number * ENTRY + LETTERS)
    }
}

/// Letters of a code.
const LETTERS: usize = 3;

/// What something is for each code: by the lower five bits of its letters, so that other bytes have a place, too.
type Codes = [u8; 1 << (5 * LETTERS)];

#[inline]
const fn place([a, b, c]: [u8; LETTERS]) -> usize {
    ((a & 31) as usize) << 10 | ((b & 31) as usize) << 5 | (c & 31) as usize
}

/// The number of its entry, counted from 1, or 0; and its minor units: amounts ask for them several times an event.
static NUMBERS: Codes = CODES.0;
static MINOR_UNITS: Codes = CODES.1;

const CODES: (Codes, Codes) = {
    let (mut numbers, mut units, mut number) = ([0; 1 << (5 * LETTERS)], [0; 1 << (5 * LETTERS)], 0);
    let text = LISTED.as_bytes();
    while number * ENTRY < text.len() {
        let at = number * ENTRY;
        let place = place([text[at], text[at + 1], text[at + 2]]);
        number += 1;
        numbers[place] = number as u8;
        units[place] = text[at + LETTERS] - b'0';
    }
    (numbers, units)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_those_of_iso_4217() {
        for (code, units) in [("KES", 2), ("JPY", 0), ("BHD", 3), ("CLF", 4), ("ZWG", 2), ("AED", 2)] {
            assert_eq!(Currency::of(code).map(|it| (it.as_str(), it.minor_units())), Some((code, units)), "{code}");
        }
    }

    #[test]
    fn what_is_no_code_is_no_currency() {
        for code in ["", "KE", "kes", "KESX", "ABC", "ES ", "D A", "€"] {
            assert_eq!(Currency::of(code), None, "{code:?}");
        }
    }
}
