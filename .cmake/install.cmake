# What `cmake --install` puts where, and what find_package(tendril) reads.
include(CMakePackageConfigHelpers)
install(TARGETS tendril_runtime tendril_lock_check tendril_sync tendril_net tendril_test
        EXPORT tendril
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tendril)
install(EXPORT tendril NAMESPACE tendril:: DESTINATION ${config_dir})
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/tendrilConfig.cmake.in
  ${PROJECT_BINARY_DIR}/tendrilConfig.cmake
  INSTALL_DESTINATION ${config_dir})
# Before 1.0 each minor version may break the one before.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/tendrilConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tendrilConfig.cmake
              ${PROJECT_BINARY_DIR}/tendrilConfigVersion.cmake
        DESTINATION ${config_dir})
