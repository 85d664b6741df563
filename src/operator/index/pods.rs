//! Injected pods that come, change and go, and what they are told.

use super::{Changes, Index, Injected, Namespace, Notice};
use crate::operator::pod::InjectedPod;
use crate::push::wire::{PodRef, ServiceKey};

impl Index {
    /// A pod was created or changed.
    pub fn apply_pod(&mut self, mut pod: InjectedPod) {
        let name = pod.namespace.clone();
        let namespace = self.namespaces.entry(name.clone()).or_default();
        let before = namespace.pods.get(&pod.name);
        pod.was_ready |= before.is_some_and(|before| before.uid == pod.uid && before.was_ready);
        if before == Some(&pod) {
            return;
        }
        let before = before.cloned();
        self.changes.admit.push((name.clone(), pod.name.clone()));
        if let Some(before) = &before {
            namespace.touch(&name, &before.service, &mut self.changes);
            // A stream is of one pod and one service: what it said of another one counts no more.
            if before.uid != pod.uid || before.service != pod.service {
                self.reports.forget(&before.uid);
                namespace.forget_sidecar(&before.uid, &mut self.changes);
            }
            namespace.leave(before);
            self.live_pods -= usize::from(before.live);
        }
        self.live_pods += usize::from(pod.live);
        namespace.touch(&name, &pod.service, &mut self.changes);
        let (service, pod_name) = (pod.service.clone(), pod.name.clone());
        namespace.join(pod);
        if self.synced {
            namespace.restore(&name, &service, &mut self.changes);
            let is_new = before.as_ref().map(|before| &before.uid)
                != namespace.pods.get(&pod_name).map(|pod| &pod.uid);
            if is_new {
                namespace.tell_injected(&pod_name, &mut self.changes);
            }
            namespace.tell_missing(&mut self.changes, Some(&service));
            namespace.pod_changed(&name, before.as_ref(), &pod_name, &mut self.changes);
        }
        for service in before
            .map(|before| before.service)
            .into_iter()
            .chain([service])
        {
            self.release(&name, &service);
        }
    }

    /// A pod is gone (or is not injected any more).
    pub fn delete_pod(&mut self, namespace_name: &str, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        let Some(pod) = namespace.pods.remove(name) else {
            return;
        };
        namespace.leave(&pod);
        self.live_pods -= usize::from(pod.live);
        self.reports.forget(&pod.uid);
        namespace.forget_sidecar(&pod.uid, &mut self.changes);
        namespace.touch(namespace_name, &pod.service, &mut self.changes);
        if self.synced {
            namespace.pod_changed(namespace_name, Some(&pod), name, &mut self.changes);
        }
        self.release(namespace_name, &pod.service);
        self.tidy(namespace_name);
    }

    /// A pod less may be the last one of a service that was deleted.
    pub(super) fn release(&mut self, namespace_name: &str, service: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        let key = ServiceKey {
            namespace: namespace_name.to_owned(),
            name: service.to_owned(),
        };
        if namespace.release(service) {
            self.forget(&key);
            self.recompute_sources(namespace_name);
            self.changes.revisions.insert(key);
        } else if !namespace.entries.contains_key(service) {
            self.changes.revisions.insert(key);
        }
    }
}

impl Namespace {
    pub(super) fn join(&mut self, pod: InjectedPod) {
        let of_service = self.pods_of.entry(pod.service.clone()).or_default();
        of_service.insert(pod.name.clone());
        self.pods.insert(pod.name.clone(), pod);
    }

    /// The pod is about to be replaced, or is gone already.
    pub(super) fn leave(&mut self, pod: &InjectedPod) {
        if let Some(of_service) = self.pods_of.get_mut(&pod.service) {
            of_service.remove(&pod.name);
            if of_service.is_empty() {
                self.pods_of.remove(&pod.service);
            }
        }
    }

    pub(super) fn forget_sidecar(&mut self, uid: &str, changes: &mut Changes) {
        self.told.remove(uid);
        changes.disconnect.push(uid.to_owned());
    }

    /// Tells a pod that it was injected. Those that were there when we began to look were told, or are
    /// old news.
    pub(super) fn tell_injected(&self, name: &str, changes: &mut Changes) {
        let pod = self.pods.get(name).filter(|pod| pod.live);
        if let Some(pod) = pod.filter(|pod| !pod.version.is_empty()) {
            changes.notices.push(Notice::Injected {
                pod: PodRef {
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    uid: pod.uid.clone(),
                },
                injected: Injected {
                    service: pod.service.clone(),
                    version: pod.version.clone(),
                    capture: pod.capture,
                    ports: pod.taken.clone(),
                },
            });
        }
    }

    /// Tells each live pod once that its EndpointsService (`only`, or any) does not exist.
    pub(super) fn tell_missing(&mut self, changes: &mut Changes, only: Option<&str>) {
        match only {
            Some(service) => self.tell_missing_one(changes, service),
            None => {
                let services: Vec<_> = self.pods_of.keys().cloned().collect();
                for service in services {
                    self.tell_missing_one(changes, &service);
                }
            }
        }
    }

    pub(super) fn tell_missing_one(&mut self, changes: &mut Changes, service: &str) {
        let entry = self.entries.get(service);
        if entry.is_some_and(|entry| entry.exists || entry.restoring) {
            return;
        }
        let outlived = self.outlives(service);
        let pods = self.pods_of.get(service).into_iter().flatten();
        let pods = pods.filter_map(|name| self.pods.get(name));
        for pod in pods.filter(|pod| pod.live) {
            if self.told.insert(pod.uid.clone()) {
                changes.notices.push(Notice::ServiceNotFound {
                    pod: PodRef {
                        namespace: pod.namespace.clone(),
                        name: pod.name.clone(),
                        uid: pod.uid.clone(),
                    },
                    service: pod.service.clone(),
                    outlived,
                });
            }
        }
    }
}
