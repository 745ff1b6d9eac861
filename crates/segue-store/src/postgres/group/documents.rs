//! What a group changes in workspaces: who runs which step, and which results are current.

use std::convert::Infallible;

use indexmap::IndexMap;
use segue::store::{Created, Document, DocumentKey};
use segue::{RunId, StepStatus, Time};

use super::{Group, Placed};

impl Group<'_> {
    /// Why a run cannot have the steps of a workspace it wants.
    pub(super) fn conflict(
        &self,
        workspace: &DocumentKey,
        claims: &[String],
        expects: &[(String, Option<String>)],
    ) -> Option<Created> {
        let workspace = self.workspaces.get(workspace);
        let state = |step: &str| {
            let placed = workspace.and_then(|workspace| workspace.documents.get(step));
            let state = placed.map(|placed| (placed.document.running, placed.document.hash.clone()));
            Ok::<_, Infallible>(state.unwrap_or_default())
        };
        let Ok(conflict) = Created::conflict(claims, expects, state);
        conflict
    }

    /// The run has these steps from now on.
    pub(super) fn claim_steps(&mut self, workspace: &DocumentKey, claims: &[String], run: RunId, at: Time) {
        let workspace = self.workspaces.entry(workspace.clone()).or_default();
        workspace.is_fresh = false;
        for step in claims {
            let placed = workspace.documents.entry(step.clone()).or_insert_with(|| Placed {
                document: Document {
                    step: step.clone(),
                    run: None,
                    status: StepStatus::Pending,
                    empty: false,
                    hash: None,
                    built_on: IndexMap::new(),
                    version: 0,
                    updated: at,
                    cost: Default::default(),
                    running: None,
                },
                is_changed: true,
            });
            placed.document.running = Some(run);
            placed.is_changed = true;
        }
    }

    /// The run has results.
    pub(super) fn move_documents(&mut self, workspace: &DocumentKey, moved: &[Document], run: RunId) {
        let workspace = self.workspaces.entry(workspace.clone()).or_default();
        for document in moved {
            let before = workspace
                .documents
                .get(&document.step)
                .map(|placed| &placed.document);
            let has_result = before
                .is_some_and(|before| matches!(before.status, StepStatus::Succeeded | StepStatus::Skipped));
            let version = before.map_or(0, |before| before.version);
            let running = before.and_then(|before| before.running).filter(|by| *by != run);
            let next = match before {
                // A failure does not take away the result there is.
                Some(kept) if document.status == StepStatus::Failed && has_result => Document {
                    running,
                    ..kept.clone()
                },
                _ => Document {
                    version: version + 1,
                    running,
                    ..document.clone()
                },
            };
            let placed = Placed {
                document: next,
                is_changed: true,
            };
            workspace.documents.insert(document.step.clone(), placed);
        }
    }

    /// The run does not run these steps any more.
    pub(super) fn unclaim(
        &mut self,
        workspace: &DocumentKey,
        run: RunId,
        gives_up: impl Fn(&String) -> bool,
    ) {
        let Some(workspace) = self.workspaces.get_mut(workspace) else {
            return;
        };
        for placed in workspace.documents.values_mut() {
            if placed.document.running == Some(run) && gives_up(&placed.document.step) {
                placed.document.running = None;
                placed.is_changed = true;
            }
        }
    }
}
