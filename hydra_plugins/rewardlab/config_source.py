"""Schemas stand beside what they configure and load lazily: the `rewardlab://` config source.

It serves `GROUP/STEM_schema` from the dataclass `Config` of the plug-in STEM (importing that module only),
`root_schema` for the root, and the choices that users keep outside the checkout (their yaml, or the bare
schema where there is none). Config paths come with or without `.yaml`.
"""

import dataclasses

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from rewardlab import discovery
from rewardlab.schemas import RootConfig

SCHEMA = "_schema"


class RewardlabConfigSource(ConfigSource):
    @staticmethod
    def scheme() -> str:
        return "rewardlab"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path.strip("/") in ("", *discovery.FOLDERS)

    def is_config(self, config_path: str) -> bool:
        group, name = _split(config_path)
        if not group:
            return name == f"root{SCHEMA}"
        if group not in discovery.FOLDERS:
            return False
        plugins = discovery.plugins(group)
        return name in _outside(group) or (name.endswith(SCHEMA) and name.removesuffix(SCHEMA) in plugins)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        group = config_path.strip("/")
        if group not in discovery.FOLDERS:
            return []
        return [] if results_filter == ObjectType.GROUP else sorted(_outside(group))

    def load_config(self, config_path: str) -> ConfigResult:
        if not self.is_config(config_path):
            raise ConfigLoadError(f"Config not found: {config_path}")
        group, name = _split(config_path)
        header: dict[str, str | None] = {"package": None}
        if not group:
            config = OmegaConf.structured(RootConfig)
        elif name in _outside(group) and (yaml := discovery.plugins(group)[name].yaml) is not None:
            config = OmegaConf.load(yaml)
            header = self._get_header_dict(yaml.read_text(encoding="utf-8"))
        else:
            stem = name.removesuffix(SCHEMA)
            options = discovery.config_class(group, stem)
            config = OmegaConf.structured(options)
            config.plugin = stem
            for spec in dataclasses.fields(options):
                if spec.metadata.get("any_key"):
                    OmegaConf.set_struct(config[spec.name], False)
            if group == "logger":  # several are merged into one node: types are looked at when all is there
                config = OmegaConf.create(OmegaConf.to_container(config))
        return ConfigResult(provider=self.provider, path=self.full_path(), config=config, header=header)


def _split(config_path: str) -> tuple[str, str]:
    group, _, name = config_path.strip("/").removesuffix(".yaml").rpartition("/")
    return group, name


def _outside(group: str) -> list[str]:
    """Stems of the users' own plug-ins, whose choices are not in conf/."""
    return [
        stem for stem, plugin in discovery.plugins(group).items() if not plugin.source.is_relative_to(discovery.PACKAGE)
    ]
