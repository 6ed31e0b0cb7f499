//! Mistakes that the program can be told to make, to show that the simulation finds them. Without the feature `mutants` none can be, and
//! nothing of this file is left in the program.

/// Declares the mistakes, with what each is.
macro_rules! mutants {
    ($($name:ident $text:literal,)*) => {
        /// A mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant {
            $(#[doc = $text] $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it is, in words.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

mutants! {
    NoOffsets "the consumed offsets are not part of the transaction",
    OffsetTooHigh "an offset is committed that is one too high",
    StoreFirst "the store is written before Kafka has committed",
    ChangelogSkipped "some changelog records are not written",
    NoRecycling "a producer goes on after a request of it was repeated",
    UnknownIsCommitted "a commit of unknown outcome counts as done",
    NothingForgotten "a transaction that is given up leaves its state behind",
    NothingRestored "a task that comes back goes on with the state that it had",
    PositionFirst "the position of what is restored is noted before it is written",
    TornGoesOn "a transaction is committed of which a part of the work was lost",
    FailedWriteForgotten "a store that could not be written counts as written",
    UnwrittenForgotten "committed state that is not on disk is dropped with the transaction that is given up",
    SeenStays "what is known of ids stays known when they are restored",
    PagesNotIndexed "ids that stand in pages alone are not looked for behind a start",
    Latest "without a committed offset, reading begins at the end",
    DedupOff "copies are not recognised",
    StableEnd "state is restored up to the last stable offset only",
    UnstableOffsets "offsets of open transactions are passed over",
    AnyMember "who left the group may commit",
    NotFenced "each producer has a transactional id of its own",
    ReadUncommitted "records of open and aborted transactions are read",
    DeadLetterOutside "dead letters are written outside of the transaction",
    HandedOverUnread "records are handed over while others before them are still to be read",
    ExpiredIdsStay "ids stay when the page is deleted that they came with",
}

#[cfg(feature = "mutants")]
mod armed {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Mutant;

    /// The number of the mistake that is made, from 1; 0: none.
    static ARMED: AtomicUsize = AtomicUsize::new(0);

    /// From now on this mistake is made, in the whole process, and no other.
    pub fn arm(mutant: Option<Mutant>) {
        ARMED.store(mutant.map_or(0, |it| it as usize + 1), Ordering::SeqCst);
    }

    /// Whether this mistake is to be made.
    #[must_use]
    pub fn is(mutant: Mutant) -> bool {
        ARMED.load(Ordering::Relaxed) == mutant as usize + 1
    }
}

#[cfg(feature = "mutants")]
pub use armed::{arm, is};

/// Whether this mistake is to be made: never.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is(_: Mutant) -> bool {
    false
}
