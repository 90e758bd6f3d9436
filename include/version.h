/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWEIGH_VERSION_H
#define AWEIGH_VERSION_H

#define AWEIGH_VERSION "0.1.0"

#endif
