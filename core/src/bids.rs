//! Where a group belongs: bids, built from what every node publishes, so that the same data gives the same answer on
//! every node (design section 4).

use crate::ids::MemberIndex;
use crate::message::{GroupBid, Stance};
use crate::planted::{Bug, planted};

/// A whole bid: the order of the fields is the order of their weight.
///
/// Between fitness and the ping nodes stands what operators said: a node in standby still runs a group that nobody
/// else can run, as the original's does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bid {
    fit: bool,
    stance: Stance,
    pings: u8,
    rank: u8,
    preferred: bool,
    /// The first name wins.
    name: core::cmp::Reverse<MemberIndex>,
}

impl Bid {
    /// Puts a bid together.
    #[must_use]
    pub const fn new(member: MemberIndex, preferred: MemberIndex, pings: u8, group: GroupBid) -> Self {
        Self {
            fit: group.fit,
            stance: group.stance,
            pings,
            rank: group.rank,
            preferred: member.0 == preferred.0,
            name: core::cmp::Reverse(member),
        }
    }

    /// Whether the bidder may run the group at all.
    #[must_use]
    pub const fn is_fit(&self) -> bool {
        self.fit
    }

    /// Who bids.
    #[must_use]
    pub const fn bidder(&self) -> MemberIndex {
        self.name.0
    }
}

/// The weight of being preferred and of being the present holder: `auto_failback on` puts the preferred node first,
/// `off` the holder.
#[must_use]
pub fn rank(auto_failback: bool, preferred: bool, holder: bool) -> u8 {
    let (first, second) =
        if auto_failback || planted(Bug::FailbackAlways) { (preferred, holder) } else { (holder, preferred) };
    u8::from(first) << 1 | u8::from(second)
}

/// The highest fit bid.
pub fn winner(bids: impl Iterator<Item = Bid>) -> Option<Bid> {
    bids.filter(Bid::is_fit).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: MemberIndex = MemberIndex(0);
    const B: MemberIndex = MemberIndex(1);

    fn bid(member: MemberIndex, fit: bool, stance: Stance, pings: u8, rank: u8) -> Bid {
        Bid::new(member, B, pings, GroupBid { fit, stance, rank })
    }

    #[test]
    fn weights_are_in_the_order_of_the_design() {
        let rising = [
            bid(A, false, Stance::Ordered, 9, 3),
            bid(A, true, Stance::Standby, 9, 3),
            bid(A, true, Stance::Normal, 0, 3),
            bid(A, true, Stance::Normal, 1, 0),
            bid(B, true, Stance::Normal, 1, 0),
            bid(A, true, Stance::Normal, 1, 1),
            bid(A, true, Stance::Normal, 1, 2),
            bid(A, true, Stance::Ordered, 0, 0),
        ];
        assert!(rising.is_sorted_by(|low, high| low < high), "{rising:#?}");
    }

    #[test]
    fn auto_failback_weighs_preferred_and_holder() {
        assert!(rank(true, true, false) > rank(true, false, true));
        assert!(rank(false, false, true) > rank(false, true, false));
    }

    #[test]
    fn nobody_wins_without_a_fit_bid() {
        assert_eq!(winner([bid(A, false, Stance::Ordered, 3, 3)].into_iter()), None);
    }

    fn any_bids() -> impl Strategy<Value = std::vec::Vec<Bid>> {
        let one = (any::<bool>(), 0u8..3, 0u8..3, 0u8..4);
        prop::collection::vec(one, 1..6).prop_map(|all| {
            let stances = [Stance::Standby, Stance::Normal, Stance::Ordered];
            (0u8..)
                .zip(all)
                .map(|(member, (fit, stance, pings, rank))| {
                    bid(MemberIndex(member), fit, stances[usize::from(stance)], pings, rank)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn every_node_finds_the_same_winner(bids in any_bids(), rotate in 0usize..6) {
            let mut turned = bids.clone();
            turned.rotate_left(rotate % bids.len());
            prop_assert_eq!(winner(bids.iter().copied()), winner(turned.into_iter()));
        }

        #[test]
        fn bids_are_in_one_order(bids in any_bids()) {
            for (one, other, third) in bids.iter().flat_map(|one| {
                let bids = &bids;
                bids.iter().flat_map(move |other| bids.iter().map(move |third| (one, other, third)))
            }) {
                prop_assert_eq!(one.cmp(other), other.cmp(one).reverse());
                prop_assert!(!(one < other && other < third) || one < third);
            }
        }

        #[test]
        fn the_winner_is_fit_and_nobody_fit_bids_more(bids in any_bids()) {
            match winner(bids.iter().copied()) {
                Some(best) => {
                    prop_assert!(best.is_fit());
                    prop_assert!(bids.iter().all(|bid| !bid.is_fit() || *bid <= best));
                }
                None => prop_assert!(bids.iter().all(|bid| !bid.is_fit())),
            }
        }

        #[test]
        fn two_members_never_bid_the_same(bids in any_bids()) {
            for (at, one) in bids.iter().enumerate() {
                prop_assert!(bids[at + 1..].iter().all(|other| one != other));
            }
        }
    }
}
