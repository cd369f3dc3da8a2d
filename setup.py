"""Packaging of texsynth."""

import re
import sys
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "scripts/building"))

from described import absolute, source  # noqa: E402

SOURCE = source()
MPI = ["mpi4py>=4.0", "mpich>=4.2; platform_system == 'Linux'"]  # elsewhere, one's own MPI
NOTEBOOK = ["ipython>=8.18", "tqdm>=4.66"]
PROFILES = ["imagecodecs>=2024.9"]
LIVE = ["starlette>=0.40", "uvicorn>=0.30"]

setup(
    name="texsynth",
    version=re.search(r'__version__ = "(.+)"', (ROOT / "texsynth/version.py").read_text())[1],
    description="Neural texture synthesis (Gatys, Ecker and Bethge 2015) on Chainer",
    long_description=absolute((ROOT / "README.md").read_text(encoding="utf-8"), SOURCE),
    long_description_content_type="text/markdown",
    author="The texsynth developers",
    license="MIT",
    keywords="texture synthesis, seamless tiling, Gram matrix, VGG16, Chainer, CuPy",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: GPU :: NVIDIA CUDA",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Natural Language :: English",
        "Natural Language :: Japanese",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Graphics",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
    project_urls={
        "Paper": "https://arxiv.org/abs/1505.07376",
        **({"Source": SOURCE, "Changelog": f"{SOURCE}/blob/HEAD/CHANGELOG.md"} if SOURCE else {}),
    },
    packages=find_packages(include=["texsynth", "texsynth.*"]),
    package_data={
        "texsynth": ["py.typed"],
        "texsynth.evaluation": ["*.html", "page.css"],
        "texsynth.live": ["page/*"],
        "texsynth.materials": ["packings.toml"],
        "texsynth.network.cuda": ["*.cu", "*.cuh"],
        "texsynth.objective": ["*.cu"],
        "texsynth.optimizers": ["*.cu"],
    },
    python_requires=">=3.11,<3.14",
    install_requires=[
        "chainer==7.8.1",  # the last release; texsynth/compat.py cures exactly this one
        "click>=8.1",
        "filelock>=3.12",
        "h5py>=3.10",
        "numba>=0.61",
        "numpy>=2.0",
        "onnx>=1.16",
        "pillow>=11.0",
        "pip>=23.0",  # which downloads the weights; environments that uv makes have none
        "platformdirs>=4.0",
        "protobuf>=5.26",
        "threadpoolctl>=3.1",
        "tifffile>=2024.9",
        "tomlkit>=0.12",
    ],
    extras_require={
        "cuda12": ["cupy-cuda12x[ctk]>=13.6"],
        "cuda13": ["cupy-cuda13x[ctk]>=13.6"],
        "exr": ["OpenEXR>=3.5"],  # the first that reads and writes what is no file
        "film": ["av>=14.0"],
        "heif": ["pillow-heif>=0.18"],
        "docs": [  # pinned where a new version may warn, and warnings end the building
            "furo==2025.12.19",
            "matplotlib>=3.8",
            "myst-nb==1.4.0",
            "myst-parser==5.2.0",
            "sphinx==9.0.4",
        ],
        "live": LIVE,
        "mpi": MPI,
        "notebook": NOTEBOOK,
        "profiles": PROFILES,
        "test": [
            *LIVE,
            *MPI,
            *NOTEBOOK,
            *PROFILES,
            "OpenEXR>=3.5",
            "av>=14.0",
            "axe-core-python==0.1.0",
            "build>=1.2",
            "hypothesis>=6.100",
            "godot-parser>=0.1.7",
            "import-linter>=2.1",
            "materialx>=1.39",
            "mypy==2.4.1",
            "onnxruntime>=1.20",
            "pillow-heif>=0.18",
            "pytest>=8.0",
            "pytest-cov>=6.0",
            "pytest-xdist>=3.6",
            "ruff==0.17.6",
            "selenium>=4.20",
        ],
    },
    entry_points={"console_scripts": ["texsynth = texsynth.__main__:run"]},
)
