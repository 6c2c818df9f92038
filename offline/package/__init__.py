"""The production package: one folder and one tar.gz that serve without a registry."""

from offline.package.build import Package, build_package
from offline.package.contents import PackageInputs
from offline.package.verify import Verified, verify_package

__all__ = ["Package", "PackageInputs", "Verified", "build_package", "verify_package"]
