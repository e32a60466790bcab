/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plug-in stand-in: the wrapped functions for the port, the configuration, stderr and dlsym(). */
#include "plugin.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct standin_plugin standin_plugin;
_Thread_local bool standin_is_source;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The linker's --wrap gives calls of NAME to __wrap_NAME. */
int __wrap_xf_ports_open(struct xf_link **link, const struct xf_config *config, char err[256]);
void __wrap_xf_ports_close_begin(struct xf_link *link);
uint64_t __wrap_xf_ports_close_end(void);
int __wrap_xf_config_load(struct xf_config *config, const char *path, char *err);
void __wrap_xf_linger_start(void);
void *__real_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name);
void __wrap_xf_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

void standin_plugin_reset(void)
{
    memset(&standin_plugin, 0, sizeof(standin_plugin));
    standin_plugin.config.connect_timeout_s = 10;
    standin_plugin.config.max_downtime_us = 1000;
}

bool standin_said(const char *words)
{
    pthread_mutex_lock(&lock);
    bool said = strstr(standin_plugin.said, words);
    pthread_mutex_unlock(&lock);
    return said;
}

int __wrap_xf_ports_open(struct xf_link **link, const struct xf_config *config, char err[256])
{
    (void)config;
    if (standin_plugin.port_error) {
        strcpy(err, "no such port");
        return standin_plugin.port_error;
    }
    *link = standin_plugin.link[!standin_is_source];
    return 0;
}

void __wrap_xf_ports_close_begin(struct xf_link *link)
{
    (void)link;
}

uint64_t __wrap_xf_ports_close_end(void)
{
    return 0;
}

/* It has a test of its own, and a process that shares memory is beyond what sanitizers see. */
void __wrap_xf_linger_start(void)
{
}

int __wrap_xf_config_load(struct xf_config *config, const char *path, char *err)
{
    (void)path;
    *config = standin_plugin.config;
    if (standin_plugin.config_error)
        strcpy(err, "no such key");
    return standin_plugin.config_error;
}

void *__wrap_dlsym(void *handle, const char *name)
{
    return !strcmp(name, "xc_domain_save")      ? standin_plugin.stock_save
           : !strcmp(name, "xc_domain_restore") ? standin_plugin.stock_restore
           : !strcmp(name, "xc_report_error")   ? standin_plugin.report_error
           : !strcmp(name, "xc_shadow_control") ? standin_plugin.shadow_control
                                                : __real_dlsym(handle, name);
}

void __wrap_xf_say(const char *format, ...)
{
    const size_t room = sizeof(standin_plugin.said);
    int saved = errno;
    va_list args;

    pthread_mutex_lock(&lock);
    size_t at = strlen(standin_plugin.said);

    va_start(args, format);
    if (at + 1 < room)
        vsnprintf(standin_plugin.said + at, room - at - 1, format, args);
    va_end(args);
    strcat(standin_plugin.said, "\n");
    pthread_mutex_unlock(&lock);
    errno = saved;
}
