//! The values that steps write: most stand in a slot, or are half of an amount of money that does, and go from there to where they belong.

use crate::engine::codec;
use crate::engine::decimal;
use crate::engine::expr::{Fault, Slot, eval};
use crate::engine::json::encode;
use crate::engine::pen::Put;
use crate::engine::plan::Operand;
use crate::engine::value::{Money, Texts, Value};

/// Where values are.
#[derive(Clone, Copy)]
pub(super) struct Values<'f, 'r> {
    pub(super) slots: &'f [Value<'r>],
    pub(super) texts: &'r Texts,
}

impl<'f, 'r> Values<'f, 'r> {
    /// Writes a value as JSON; halves of an amount without their quotation marks.
    #[inline]
    pub(super) fn json(self, it: &'r Operand, into: &mut impl Put) -> Result<(), Box<Fault>> {
        match it {
            Operand::Slot(slot) => match self.slot(*slot) {
                Value::Int(it) => encode::integer(*it, into),
                other => encode::value(other, into),
            },
            Operand::AmountOf(slot) => decimal::write(decimal::amount_of(*self.money(*slot, ".amount")?), into),
            Operand::CurrencyOf(slot) => self.money(*slot, ".currency")?.currency.write(into),
            Operand::Computed(it) => encode::value(&eval::eval(it, self.slots, self.texts)?, into),
        }
        Ok(())
    }

    /// Writes a value as plain text; whether it is one, and not null.
    #[inline]
    pub(super) fn text(self, it: &'r Operand, into: &mut impl Put) -> Result<bool, Box<Fault>> {
        let computed;
        let value = match it {
            Operand::Slot(slot) => self.slot(*slot),
            Operand::AmountOf(_) | Operand::CurrencyOf(_) => return self.json(it, into).map(|()| true),
            Operand::Computed(it) => {
                computed = eval::eval(it, self.slots, self.texts)?;
                &computed
            }
        };
        encode::text(value, into);
        Ok(!value.is_null())
    }

    /// Writes a value as part of a state key.
    #[inline]
    pub(super) fn key(self, it: &'r Operand, into: &mut impl Put) -> Result<(), Box<Fault>> {
        match it {
            Operand::Slot(slot) => codec::write_key(self.slot(*slot), into),
            Operand::AmountOf(slot) => codec::write_key(&Value::Decimal(decimal::amount_of(*self.money(*slot, ".amount")?)), into),
            Operand::CurrencyOf(slot) => codec::write_currency_key(self.money(*slot, ".currency")?.currency, into),
            Operand::Computed(it) => codec::write_key(&eval::eval(it, self.slots, self.texts)?, into),
        }
        Ok(())
    }

    #[inline]
    fn slot(self, slot: Slot) -> &'f Value<'r> {
        eval::slot_value(slot, self.slots)
    }

    #[inline]
    fn money(self, slot: Slot, part: &'static str) -> Result<&'f Money, Box<Fault>> {
        eval::money(self.slot(slot), part)
    }
}
