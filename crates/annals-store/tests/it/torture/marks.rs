//! Sometimes marks: rare states that a harness must have reached, counted.
//!
//! In: a mark, from wherever its state is recognized. Out: how often each was reached by this thread. A harness that ran in
//! full size and left one of its marks at zero has tested less than it says, and fails.

use std::cell::RefCell;
use std::fmt;

/// What reaches a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harness {
    /// Images of power cuts.
    Crash,
    /// Every operation made to fail.
    Sweep,
    /// Bytes turned over.
    Rot,
    /// Histories compared with a model.
    History,
}

macro_rules! marks {
    ($($home:ident { $($name:ident)* })*) => {
        /// A rare state.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Mark { $($($name,)*)* }

        impl Mark {
            /// Every one, with the harness that must reach it.
            pub(super) const ALL: &[(Self, Harness)] = &[$($((Self::$name, Harness::$home),)*)*];
        }
    };
}

marks! {
    Crash {
        // What a cut left of the frame in flight.
        TornWithoutHeader
        TornBehindHeader
        TornInsideHeader
        TornToNothing
        InFlightSurvived
        InFlightLost
        // What else it left.
        NothingThere
        HalfMadeSegment
        HalfMadeSegmentOfZeros
        HalfMadeSegmentOfStaleBytes
        HalfMadeSegmentWithGroupInFlight
        MadeAheadSegmentTakenAway
        HalfMadeIndexFile
        EndedInSeal
        SegmentFilledToTheLastByte
        // How it was opened.
        RecoveryCutOnce
        RecoveryCutTwice
        OpenedWithIndexFiles
        OpenedWithoutIndexFiles
        IndexFileSpoiled
        IndexFilesMerged
        LastFrameWithheldFromReaders
        // Damage at rest.
        BitFlipped
        FrameLost
        FrameMisplaced
        DamageRefusedAtOpening
        DamageToldByRead
        // What happened before.
        UnknownFoundPresent
        UnknownFoundAbsent
        RepeatAnsweredFromBeforeReopening
        RepeatInsideGroup
        IdTakenInsideGroup
        ConflictWithGroup
        ConflictAtBoundary
        PassedAtBoundary
        FrameInsidePayload
    }
    Sweep {
        NoSpaceAtNewSegment
        NoSpaceAtFrame
        NoSpaceAtIndexFile
        CutShortAtNewSegment
        CutShortAtFrame
        CutShortAtIndexFile
        RefusedCreate
        RefusedRename
        RefusedRemove
        RefusedFrame
        FlushFailedOfNewSegment
        FlushFailedOfFrameAlone
        FlushFailedOfFrameOfSeveral
        FlushFailedOfSeal
        FlushFailedOfDirectory
        FlushFailedOfIndexFile
        FailedWhileOpening
        WentOnWithoutReopening
        WentOnAfterSpaceCameBack
        StoppedUntilReopened
        AnswerSharedFateOfGroup
        ReadFailedAndWasTold
    }
    Rot {
        ByteRefused
        ByteToldByRead
        ByteOfIndexMended
        ByteToldByVerifyAlone
        ByteNobodyReads
    }
    History {
        SeveralTagsOverSeveralParts
        SeveralTagsAndTypes
        SeveralItemsOverlap
        NothingMatchesThoughEachTermDoes
        BackwardOverParts
        PageEndedByLimit
        PageEndedByBytes
        EndedAtPosition
        TagIsBeginningOfAnother
        ConflictNamesOldEvent
        ConflictNamesGroup
        ConflictSitsAtBoundary
        ConflictSitsBeforeBoundary
        TagAtOtherRevision
        KeyOfOtherValue
        KeyTakenAway
        RepeatedAfterReopening
        RepeatedWithOtherContent
        RepeatedInOtherCompany
        MarksAlone
        TimeHeldBack
        ReopenedWithMergedFiles
    }
}

/// How often each mark was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts(Vec<u64>);

thread_local! {
    static COUNTS: RefCell<Counts> = RefCell::default();
}

impl Default for Counts {
    fn default() -> Self {
        Self(vec![0; Mark::ALL.len()])
    }
}

/// Counts a state that was reached.
pub(super) fn reached(mark: Mark) {
    COUNTS.with_borrow_mut(|counts| counts.0[mark as usize] += 1);
}

/// Counts a state if this says it was reached.
pub(super) fn reached_if(so: bool, mark: Mark) {
    if so {
        reached(mark);
    }
}

/// What this thread reached since it was last asked.
pub(super) fn take() -> Counts {
    COUNTS.take()
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        let pairs = self.0.iter_mut().zip(&other.0);
        pairs.for_each(|(sum, one)| *sum += one);
    }

    fn of(&self, harness: Harness) -> impl Iterator<Item = (Mark, u64)> {
        let marks = Mark::ALL.iter().zip(&self.0);
        marks
            .filter(move |((_, home), _)| *home == harness)
            .map(|((mark, _), count)| (*mark, *count))
    }

    /// Prints the marks of a harness and answers with those that were never reached.
    pub(super) fn report(&self, harness: Harness) -> Vec<Mark> {
        let shown: Vec<String> = self
            .of(harness)
            .map(|(mark, count)| format!("{mark:?} {count}"))
            .collect();
        println!("marks of {harness}: {}", shown.join(", "));
        self.of(harness)
            .filter(|(_, count)| *count == 0)
            .map(|(mark, _)| mark)
            .collect()
    }
}

impl fmt::Display for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Crash => "crash",
            Self::Sweep => "faults",
            Self::Rot => "rot",
            Self::History => "model",
        })
    }
}
