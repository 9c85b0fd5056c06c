# make demo: the main job on real photos.  make test: every check.  make run: the app.
# make nano: the prompt model in the box, from nothing, in NANO_OUT (a day).
# All set up .venv by themselves and use it again next time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out
NANO_OUT ?= nano-out
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test run nano check clean system-libraries

demo: $(STAMP) system-libraries
	$(BIN)/segstudio demo --out $(OUT)

run: $(STAMP) system-libraries
	$(BIN)/segstudio

# Three processes on two cores: tests often wait, for a window or for a process of their own.
test: $(DEV_STAMP) system-libraries
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

nano: $(STAMP)
	$(PIP) install -c packaging/constraints.txt -e '.[lite-encoders]' pillow-jxl-plugin
	$(BIN)/python -m segstudio.models.prompt_training.from_nothing $(NANO_OUT)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "SegStudio needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "Python's venv is missing: sudo apt-get install python3-venv"; exit 1; }; \
	  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv && $(PYTHON) -m venv $(VENV); \
	}

$(STAMP): $(VENV)/bin/python pyproject.toml packaging/constraints.txt
	$(PIP) install -c packaging/constraints.txt -e .
	touch $@

$(DEV_STAMP): $(STAMP)
	$(PIP) install -c packaging/constraints.txt -e '.[dev]'
	touch $@

# Qt needs a few libraries that a bare Debian does not have. As root they are installed;
# otherwise `segstudio doctor` says which package to ask for.
system-libraries: $(STAMP)
	@missing="$$($(BIN)/segstudio doctor --packages)"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; \
	  else \
	    echo "Qt needs these packages: $$missing"; echo "Install them: sudo apt-get install $$missing"; exit 1; \
	  fi; \
	fi

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
