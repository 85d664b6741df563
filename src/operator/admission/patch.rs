//! From two typed pods to a JSON patch that leaves alone whatever our types do not know.
//!
//! The patch is applied to the pod as the API server has it, which may hold fields newer than our
//! types. So it must touch only what we changed, and above all never shift list elements by
//! rewriting them one into the next: an unknown field would stay behind, in the wrong container.

use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, diff};
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use thiserror::Error;

use super::sidecar::{is_own_container, is_own_volume};

/// Whether an element of this name is the sidecar's.
type IsOwn = fn(&str) -> bool;

/// The lists that the injection inserts into, and what is ours in them.
const LISTS: [(&str, IsOwn); 3] = [
    ("initContainers", is_own_container),
    ("containers", is_own_container),
    ("volumes", is_own_volume),
];

/// Two pods that no injection leads between. A defect of ours.
#[derive(Debug, Error)]
pub enum PatchError {
    /// A pod that is not JSON.
    #[error("a pod cannot be written as JSON")]
    Serialize(#[from] serde_json::Error),
    /// Something other than the sidecar came or went.
    #[error("the injection changed how many {list} the pod has of its own")]
    Unpaired {
        /// The list.
        list: &'static str,
    },
}

/// The patch that leads from one pod to the other.
///
/// # Errors
/// The pods differ by more than an injection.
pub fn between(before: &Pod, after: &Pod) -> Result<Patch, PatchError> {
    let mut before = serde_json::to_value(before)?;
    let mut after = serde_json::to_value(after)?;
    let mut operations = Vec::new();
    for (list, is_own) in LISTS {
        let path = format!("/spec/{list}");
        let lists = (take_list(&mut before, list), take_list(&mut after, list));
        operations
            .extend(list_operations(&path, lists, is_own).ok_or(PatchError::Unpaired { list })?);
    }
    operations.extend(diff(&before, &after).0);
    Ok(Patch(operations))
}

fn take_list(pod: &mut Value, list: &str) -> Vec<Value> {
    let spec = pod.get_mut("spec").and_then(Value::as_object_mut);
    match spec.and_then(|spec| spec.remove(list)) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

/// `None` when the lists do not hold the same elements of the user's.
fn list_operations(
    path: &str,
    (before, after): (Vec<Value>, Vec<Value>),
    is_own: IsOwn,
) -> Option<Vec<PatchOperation>> {
    let is_own = |element: &Value| element["name"].as_str().is_some_and(is_own);
    if before.is_empty() && !after.is_empty() {
        return Some(vec![add(path, Value::Array(after))]);
    }
    let mut operations = Vec::new();
    let mut current = before;
    // Elements of ours that already stand where they shall are changed in place.
    let in_place = current.len() == after.len()
        && current
            .iter()
            .zip(&after)
            .all(|(current, after)| is_own(current) == is_own(after));
    if !in_place {
        for index in (0..current.len())
            .rev()
            .filter(|index| is_own(&current[*index]))
        {
            operations.push(remove(&format!("{path}/{index}")));
        }
        current.retain(|element| !is_own(element));
        for (index, element) in after
            .iter()
            .enumerate()
            .filter(|(_, element)| is_own(element))
        {
            if index > current.len() {
                return None;
            }
            operations.push(add(&format!("{path}/{index}"), element.clone()));
            current.insert(index, element.clone());
        }
    }
    if current.len() != after.len() {
        return None;
    }
    for (index, (current, after)) in current.iter().zip(&after).enumerate() {
        let inner = diff(current, after).0.into_iter();
        operations.extend(inner.map(|operation| below(&format!("{path}/{index}"), operation)));
    }
    Some(operations)
}

/// The operation, one level deeper in the document.
fn below(path: &str, mut operation: PatchOperation) -> PatchOperation {
    let place = match &mut operation {
        PatchOperation::Add(operation) => &mut operation.path,
        PatchOperation::Remove(operation) => &mut operation.path,
        PatchOperation::Replace(operation) => &mut operation.path,
        PatchOperation::Move(operation) => &mut operation.path,
        PatchOperation::Copy(operation) => &mut operation.path,
        PatchOperation::Test(operation) => &mut operation.path,
    };
    *place = pointer(&format!("{path}{}", place.as_str()));
    operation
}

fn add(path: &str, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation {
        path: pointer(path),
        value,
    })
}

fn remove(path: &str) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation {
        path: pointer(path),
    })
}

fn pointer(path: &str) -> json_patch::jsonptr::PointerBuf {
    json_patch::jsonptr::PointerBuf::parse(path).expect("built from pointers and numbers")
}

#[cfg(test)]
mod tests;
