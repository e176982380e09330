//! The keys of objects and libraries: a hash of everything that the compiler or the linker is given. Equal keys mean equal results while
//! the files that the tools read are unchanged.

use std::path::Path;

use mjit_cc_platforms::{Plan, PlanError, Role, contains_directory};

use super::{Pipeline, UnitPaths, Watched};
use crate::header::UnitHeader;
use crate::key::{Digest, KeyBuilder};
use crate::unit::Unit;

impl Pipeline {
    /// Returns the key of a unit's object or library.
    pub(crate) fn unit_key(&self, unit: &Unit, header: &UnitHeader, role: Role) -> Result<Digest, PlanError> {
        let plan = self.plan_unit(&neutral_paths(), unit.dir(), header.as_job(), role)?;
        Ok(self.unit_fields(self.plan_key("unit", &plan), unit, header, role).finish())
    }

    /// Returns the key of a unit's object. `key` already contains a fingerprint of the compiler.
    pub(crate) fn object_key(&self, key: KeyBuilder, unit: &Unit, header: &UnitHeader) -> Result<Digest, PlanError> {
        let plan = self.plan_unit(&neutral_paths(), unit.dir(), header.as_job(), Role::Object)?;
        Ok(self.unit_fields(self.plan_fields(key, &plan), unit, header, Role::Object).finish())
    }

    fn unit_fields(&self, key: KeyBuilder, unit: &Unit, header: &UnitHeader, role: Role) -> KeyBuilder {
        key.field(self.toolchain().prelude(role)).field(header.content()).field(unit.name()).field(unit.text())
    }

    /// Returns the key of a library, given the keys of its objects.
    pub(crate) fn link_key(
        &self,
        objects: &[Digest],
        header: &UnitHeader,
        exports: &[String],
    ) -> Result<Digest, PlanError> {
        let plan = self.plan_link(&[], Path::new("library"), header.as_job(), exports)?;
        // The linker in this process and the driver's linker produce different libraries.
        let args = self.in_process_link_args().map(|args| args.join(" ")).unwrap_or_default();
        let key = self.plan_key("link", &plan).field(self.configuration().link_digest.as_str());
        Ok(key.field(args).fields(objects.iter().map(Digest::as_str)).finish())
    }

    /// Begins the key of a plan's result.
    pub(crate) fn plan_key(&self, kind: &str, plan: &Plan) -> KeyBuilder {
        let key = KeyBuilder::new(kind).field(self.compiler.identity.as_str());
        let key = self.plan_fields(key, plan);
        if self.records_units { key.field(self.configuration().digest.as_str()) } else { key }
    }

    /// Adds everything except the compiler: the plan, the flags that the driver adds, and the watched files and variables.
    pub(crate) fn plan_fields(&self, key: KeyBuilder, plan: &Plan) -> KeyBuilder {
        let args = plan.steps.iter().flat_map(|step| &step.args).map(|arg| arg.as_encoded_bytes());
        let writes = plan.writes.iter().map(|file| file.text.as_bytes());
        let key = self.watched_fields(key.fields(args).fields(writes));
        let key = if self.records_units { key.field(self.configuration().portable.as_str()) } else { key };
        if !contains_directory(self.toolchain().compiler(), &self.flags) {
            return key;
        }
        let dir = std::path::absolute(".").unwrap_or_default();
        key.field(dir.as_os_str().as_encoded_bytes())
    }

    fn watched_fields(&self, key: KeyBuilder) -> KeyBuilder {
        let Watched { files, variables } = &self.watched;
        let key = files.iter().fold(key, |key, path| {
            let digest = self.digests.of(path).unwrap_or_else(Digest::never);
            key.field(path.as_os_str().as_encoded_bytes()).field(digest.as_str())
        });
        variables.iter().fold(key, |key, (name, value)| {
            let value = value.as_ref().map(|value| value.as_encoded_bytes());
            key.field(name.as_encoded_bytes()).field([u8::from(value.is_some())]).field(value.unwrap_or_default())
        })
    }
}

/// Paths that are the same in each run and each directory, for a plan that is hashed.
fn neutral_paths() -> UnitPaths {
    UnitPaths { source: "unit.c".into(), depfile: Some("unit.d".into()), staged: "unit.out".into() }
}
