/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the way back share. */
#pragma once

#include "hvxl-config-keys.h"

G_BEGIN_DECLS

void hvxl_adopt_string(char **field, const char *text); /* leaves the field where there is none */
void hvxl_adopt_genid(const libxl_domain_build_info *info, ConfDomain *def);
void hvxl_adopt_displays(const libxl_domain_config *config, ConfDomain *def);
void hvxl_adopt_devices(const libxl_domain_config *config, ConfDomain *def, ConfXlExt *ext);
/* <filesystem>, <redirdev>, <sysinfo>: what the model keeps as text. */
void hvxl_adopt_texts(const libxl_domain_config *config, ConfDomain *def);

G_END_DECLS
