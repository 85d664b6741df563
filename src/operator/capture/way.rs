//! Where a number leads in one pod.

use crate::api::annotations::{CaptureMode, TakenPort};
use crate::operator::pod::InjectedPod;

/// Where a number leads in one pod.
pub(super) enum Way<'p> {
    /// To the sidecar.
    Through,
    /// To the app's protected port.
    Around(&'p TakenPort),
    Elsewhere,
}

/// Where whoever dials this number comes to.
pub(super) fn way(number: u16, pod: &InjectedPod) -> Way<'_> {
    if let Some(taken) = pod.taken.iter().find(|taken| taken.app == number) {
        return match pod.capture {
            CaptureMode::Redirect => Way::Through,
            CaptureMode::Named | CaptureMode::None => Way::Around(taken),
        };
    }
    match pod.taken.iter().any(|taken| taken.listen == number) {
        true => Way::Through,
        false => Way::Elsewhere,
    }
}
