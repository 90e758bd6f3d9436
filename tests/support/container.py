# SPDX-License-Identifier: Apache-2.0
"""What is tried in a container and, where there is none, in plain namespaces."""



CONFINED = "[policy]\nmode = offline\nhub_cache = /models/hub\n[confine]\negress = deny\nmodels_read_only = yes\n[model m]\nrepo = org/m\n"


INIT = "[policy]\nmode = offline\nhub_cache = /models/hub\n[service]\ninit = yes\ngrace = 500ms\n[model m]\nrepo = org/m\n"
